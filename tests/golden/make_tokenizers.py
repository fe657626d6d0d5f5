"""Writes tests/golden/tokenizers/ from the tokenizers library: python -m tests.golden.make_tokenizers.

A file has a small tokenizer of one kind, and what the library gives for some texts and pairs, whole and cut. A tokenizer that is there is kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fixtures.tokenizers.small import EVERY, FOREIGN, UNSEEN, load, tokenizer_json
from tests.places import TESTS

FOLDER = TESTS / "golden" / "tokenizers"
SIZE = 400
#: Marks that combine, joiners, emoji of several code points, right-to-left, control characters, special tokens, long words.
TEXTS = [
    "",
    " ",
    *FOREIGN,
    *UNSEEN[:4],
    "The caf\u00e9, the cafe\u0301 and the CAFE\u0301\u0323.",
    "\u0915\u094d\u0937 \u0958 \u1100\u1161\u11a8 \uac01 \ufb01 \u212b \ufdfa \u1e9b\u0323 \u0130\u017f\u00df",
    "👩\u200d👩\u200d👧 🇩🇪🇫 👍🏽 1\ufe0f\u20e3 \U000e0041\U00095011",
    "שלום\u200f العربية\u0651 ไทย 中文 한국어",
    "a\tb\r\nc\u00a0d\u3000e\u2028f\x85g\x00h\x7fi\ufffdj\u200bk\u00adl",
    "[CLS] the [MASK] </s> <mask>  <extra_id_1>.<unk>",
    "don't I'LL it's 1234567 ½Ⅷ² x_y=(z);  // ▁Ġ",
    "x" * 120 + " " + "7" * 9,
]
#: Length, strategy and side of what is cut.
CUTS = [(8, "longest_first", "right"), (8, "longest_first", "left"), (12, "only_second", "right")]


def golden(text: str) -> dict[str, Any]:
    """The file's content for a tokenizer.

    :param text: of its tokenizer.json.
    """
    reference = load(text)
    cases = [_case(reference, text, None, None) for text in TEXTS]
    pair = ("A cat", FOREIGN[1])
    cases.append(_case(reference, *pair, None))
    for cut in CUTS:
        reference.enable_truncation(cut[0], strategy=cut[1], direction=cut[2])
        cases += [_case(reference, *pair, cut)]
        cases += [_case(reference, FOREIGN[0], None, cut)] if cut[1] == "longest_first" else []
    return {"tokenizer": json.loads(text), "cases": cases}


def _case(reference: Any, text: str, pair: str | None, cut: tuple[int, str, str] | None) -> dict[str, Any]:
    found = reference.encode(text) if pair is None else reference.encode(text, pair)
    case = {"text": text, "ids": found.ids, "types": found.type_ids, "offsets": found.offsets}
    return case | ({"pair": pair} if pair is not None else {}) | ({"cut": cut} if cut else {})


def path_of(kind: str) -> Path:
    """Where the file of a kind is.

    :param kind: one of `EVERY`.
    """
    return FOLDER / f"{kind.replace(' ', '_')}.json"


def write(kind: str) -> None:
    """Write the file of a kind."""
    path = path_of(kind)
    if path.is_file():
        text = json.dumps(json.loads(path.read_text("utf-8"))["tokenizer"])
    else:
        text = tokenizer_json(kind, SIZE)
    values = golden(text)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in values["cases"])
    tokenizer = json.dumps(values["tokenizer"], separators=(",", ":"))
    path.write_text(f'{{"tokenizer":{tokenizer},\n"cases":[\n{lines}\n]}}\n', "utf-8")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for kind in EVERY:
        write(kind)
