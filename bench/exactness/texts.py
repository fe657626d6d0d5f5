"""Texts on which tokenizers may differ: real ones, changed ones, every character, and mixtures of what is awkward."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

#: What is read of a folder.
SUFFIXES = (".txt", ".tsv", ".csv", ".po", ".md", ".py")
#: Characters of a real text, at most.
MOST = 400
#: Of the texts, the parts that are real, and that are one of each character, if there are so many; of the rest, half are changed real texts.
_REAL, _CHARACTERS = 0.35, 0.35

#: Marks, joiners, emoji of several code points, Hangul in pieces, right-to-left, control characters, white space of every kind.
_PIECES = [
    *map(chr, (*range(0x300, 0x370), 0x5B0, 0x5B9, 0x64B, 0x651, 0x903, 0x93C, 0x94D, 0xD4E, 0xE33, 0xE38, 0xE48, 0x3099, 0x309A)),
    *map(chr, (0x200B, 0x200C, 0x200D, 0x200E, 0x202E, 0x2028, 0x2060, 0xFE0F, 0xFEFF, 0xAD, 0xA9, 0xAE, 0x600, 0x1F3FB, 0x1F1E6, 0x1F1E7, 0xE0041)),
    *map(chr, (0x1100, 0x1161, 0x11A7, 0x11A8, 0xAC00, 0xAC01, 0x915, 0x937, 0x958, 0xFB01, 0xFDFA, 0x2126, 0x212B, 0x130, 0x17F, 0xDF, 0x1E9B)),
    *map(chr, (*range(0x20), 0x7F, 0x85, 0xA0, 0x1680, 0x2003, 0x3000, 0xFFFD, 0x2581, 0x120)),
    *("👩\u200d👩\u200d👧", "🇩🇪", "👍🏽", "1️⃣", "שלום", "مرحبا", "नमस्ते", "ไทย", "中文", "日本語", "한국어", "\r\n", "  ", "    ", "½", "Ⅷ", "don't", "I'LL"),
]  # fmt: skip
#: How tokens are written that a tokenizer may have added.
_SPECIAL = [
    *("<s>", "</s>", "<mask>", "<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "<|im_start|>", "<|endoftext|>"),
    *("<bos>", "<eos>", "<extra_id_0>", "<start_of_turn>", "<0x0A>", "</w>", "##ing"),
]  # fmt: skip


def real_texts(folder: Path) -> list[str]:
    """Distinct lines of the text files in a folder, in an order of their own, each cut to `MOST` characters.

    :param folder: with files of `SUFFIXES` at any depth.
    """
    lines: dict[str, None] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file()):
        for line in path.read_text("utf-8", errors="replace").splitlines():
            lines[line[:MOST]] = None
    lines.pop("", None)
    found = list(lines)
    random.Random(0).shuffle(found)
    return found


def texts(real: Sequence[str], count: int, seed: int) -> Iterator[str]:
    """Texts of every kind, the same for the same arguments.

    :param real: what `real_texts` gave.
    :param count: how many.
    :param seed: of the random numbers.
    """
    rng = random.Random(seed)
    every = list(map(chr, assigned()))
    rng.shuffle(every)
    first, second = min(len(real), int(count * _REAL)), min(len(every), int(count * _CHARACTERS))
    yield from real[:first]
    yield from (f"{char} a{char}B{char}{char} 1{char}" for char in every[:second])
    kinds: list[Callable[[], str]] = [
        *[lambda: changed(rng.choice(real), rng)] * 5,
        *[lambda: "".join(_character(rng) for _ in range(rng.randint(1, 25)))] * 3,
        lambda: "".join(
            rng.choice(_PIECES) if rng.random() < 0.6 else _character(rng) for _ in range(rng.randint(1, 14))
        ),
        lambda: "".join(
            rng.choice((*_SPECIAL, " ", "  ", "\n", "a", "B", "é", "中", "."))
            for _ in range(rng.randint(1, 8))
        ),
        lambda: _long(rng),
    ]
    weights = [*[10] * 9, 9, 1]
    picked = (rng.choices(kinds, weights)[0]() for _ in iter(int, 1))
    yield from islice(picked, count - first - second)


def assigned() -> list[int]:
    """Code points that Unicode has assigned, surrogates left out."""
    return [code for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]


def changed(text: str, rng: random.Random) -> str:
    """A text of which some characters are replaced, put in, taken out, or in another case.

    :param text: the text.
    :param rng: where random numbers come from.
    """
    made = list(text[: rng.randint(1, 160)])
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(made) + 1)
        new = [rng.choice((_character, _piece))(rng) for _ in range(rng.randint(0, 3))]
        made[at : at + rng.randint(0, 2)] = new
    result = "".join(made)
    return rng.choice((str, str, str, str.upper, str.title, str.swapcase))(result)


def _piece(rng: random.Random) -> str:
    return rng.choice(_PIECES)


def _character(rng: random.Random) -> str:
    ranges = [(32, 127)] * 6 + [(0xA0, 0x600)] * 4 + [(0x600, 0x3100)] * 3 + [(0x3100, 0xD7FF)] * 2
    ranges += [(0xE000, 0x10000), (0x1D000, 0x1FB00), (0x10000, 0x110000)]
    return chr(rng.randrange(*rng.choice(ranges)))


def _long(rng: random.Random) -> str:
    """A word of hundreds or thousands of characters."""
    few = rng.choice(("x", "ab", "é", "\u0301a", "中文", "0123456789", "!?", "👩\u200d", "aBcDeFgHiJk", "▁"))
    return "".join(rng.choices(few, k=rng.choice((101, 300, 1200))))
