"""The sources of a C export: what they are called, and what their header says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from edgeemb.errors import BundleError
from edgeemb.files import read_text

#: Status codes of `runtimes/micro/platform.h` in words.
STATUS = {
    1: "an id is outside its table",
    2: "the text has more tokens than the model was exported for",
    3: "there is no token",
    4: "the arena is too small",
    5: "the arena is misaligned",
    6: "a pointer is NULL",
    7: "the text is not UTF-8",
    8: "the text needs a larger arena",
    9: "the vocabulary has no token for a part of the text",
    10: "the compiled tokenizer is damaged",
    11: "a place lies behind the last token",
}


#: What ``model.h`` defines with the model's prefix, in the order of its structure.
SIZES = ("tokens", "rows", "outputs", "layers", "arena_bytes", "flash_bytes")


_MAX_HEADER_BYTES = 1 << 20


def symbol_prefix(name: str) -> str:
    """Prefix of the C symbols of a model.

    :param name: the model's name, such as ``all-MiniLM-L6-v2``.
    :return: a lower-case C identifier, such as ``all_minilm_l6_v2``.
    """
    identifier = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_") or "model"
    return f"model_{identifier}" if identifier[0].isdigit() else identifier


def sources(folder: Path) -> list[Path]:
    """The translation units of an export.

    :param folder: the bundle.
    """
    weights = folder / "weights.c"
    return [folder / "model.c", weights if weights.is_file() else folder / "weights.S"]


def alone(folder: Path, name: str) -> str:
    """Why an export runs on one thread; empty if it can use several.

    :param folder: the bundle.
    :param name: name of the model, as in the manifest.
    :raises BundleError: if the header is missing.
    """
    if has_function(folder, name, "run_parallel"):
        return ""
    return "a C export for microcontrollers, of a masked language model or of static embeddings runs on one thread"


def has_function(folder: Path, name: str, function: str) -> bool:
    """Whether ``model.h`` declares a function.

    :param folder: the bundle.
    :param name: name of the model, as in the manifest.
    :param function: its name without the prefix, such as ``run_text``.
    :raises BundleError: if the header is missing.
    """
    header = read_text(folder / "model.h", _MAX_HEADER_BYTES, BundleError)
    return f" {symbol_prefix(name)}_{function}(" in header


def read_sizes(folder: Path, name: str) -> dict[str, int]:
    """What ``model.h`` says of a model.

    :param folder: the bundle.
    :param name: name of the model, as in the manifest.
    :return: ``tokens``, ``rows``, ``outputs``, ``layers``, ``arena_bytes`` and ``flash_bytes``; ``width``, the bytes of a token, 0 where ids
        go in; and ``per_token``, 1 where a result has a row of outputs for each token, else 0.
    :raises BundleError: if the header is missing or lacks one of them.
    """
    text = read_text(folder / "model.h", _MAX_HEADER_BYTES, BundleError)
    found = dict(re.findall(rf"^#define {symbol_prefix(name).upper()}_(\w+) (\d+)u$", text, re.MULTILINE))
    try:
        own = {key: int(found[key.upper()]) for key in SIZES}
    except KeyError as error:
        raise BundleError(
            f"{folder / 'model.h'} does not define {error.args[0]}: export the bundle again"
        ) from None
    return {**own, **{key: int(found.get(key.upper(), 0)) for key in ("width", "per_token")}}


def result_rows(sizes: Mapping[str, int], tokens: int) -> int:
    """Rows of outputs in the result of a text.

    :param sizes: what `read_sizes` gave.
    :param tokens: of the text.
    """
    return tokens if sizes["per_token"] else 1
