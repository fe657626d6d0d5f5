"""What the tokenizers library does with each code point: the tables are read from the library itself, so they follow its Unicode version."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, normalizers, pre_tokenizers

from edgeemb.text.compiled.tables import CODES

#: Code points that are asked for: all characters of the planes that Unicode fills, and the ends of the others, which are all alike inside.
_EDGE = 64
CHARACTERS = [
    code
    for code in range(CODES)
    if not 0xD800 <= code < 0xE000
    and (code < 0x40000 or code >> 16 == 14 or not _EDGE <= code & 0xFFFF < 0x10000 - _EDGE)
]
_CHARS = list(map(chr, CHARACTERS))
_EVERY = "".join(_CHARS)
_STARTS = np.array(CHARACTERS)


def spread(values: NDArray[Any]) -> NDArray[Any]:
    """Values of `CHARACTERS`, for all code points: those that were not queried have the value of the one before them.

    :param values: [0x110000], of which only those of `CHARACTERS` count; changed in place.
    """
    for plane in (*range(4, 14), 15, 16):
        values[(plane << 16) + _EDGE : (plane + 1 << 16) - _EDGE] = values[(plane << 16) + _EDGE - 1]
    return values


def outputs(normalizer: Any, fence: str) -> dict[int, str]:
    """What a normalizer turns each single character into, if that is another text.

    :param normalizer: of the tokenizers library.
    :param fence: a character that it leaves unchanged and never produces from another.
    """
    found = normalizer.normalize_str(fence.join(_CHARS)).split(fence)
    # The fence itself among the characters leaves one empty text more.
    own = CHARACTERS.index(ord(fence))
    texts = [*found[:own], fence, *found[own + 2 :]]
    every = zip(CHARACTERS, _CHARS, texts, strict=True)
    changed = {code: text for code, char, text in every if text != char}
    for plane in (*range(4, 14), 15, 16):
        if changed.get((plane << 16) + _EDGE - 1) == "":
            changed.update(dict.fromkeys(range((plane << 16) + _EDGE, (plane + 1 << 16) - _EDGE), ""))
    return changed


def removed(pre_tokenizer: Any) -> NDArray[np.bool_]:
    """Which characters a pre-tokenizer takes out.

    :return: bool[0x110000].
    """
    kept = np.zeros(len(_EVERY) + 1, np.int64)
    for _, (start, end) in pre_tokenizer.pre_tokenize_str(_EVERY):
        kept[start] += 1
        kept[end] -= 1
    result = np.zeros(CODES, bool)
    result[_STARTS] = np.cumsum(kept[:-1]) == 0
    return spread(result)


@cache
def matching(expression: str) -> NDArray[np.bool_]:
    """Which characters match a regular expression of one character.

    :param expression: in the library's syntax.
    :return: bool[0x110000].
    """
    return removed(pre_tokenizers.Split(Regex(expression), "removed"))


@cache
def white_space() -> NDArray[np.bool_]:
    """White space as the library's own code has it (not its regular expressions)."""
    return removed(pre_tokenizers.WhitespaceSplit())


@cache
def punctuation() -> NDArray[np.bool_]:
    """Punctuation as the library's pre-tokenizers have it."""
    return removed(pre_tokenizers.Punctuation("removed"))


@cache
def numerals() -> NDArray[np.bool_]:
    """What the pre-tokenizer Digits takes for a digit."""
    pieces = pre_tokenizers.Digits(individual_digits=False).pre_tokenize_str(_EVERY)
    zero = next(place for place, (_, (start, end)) in enumerate(pieces) if start <= ord("0") < end)
    result = np.zeros(CODES, bool)
    for place, (_, (start, end)) in enumerate(pieces):
        if place % 2 == zero % 2:
            result[_STARTS[start:end]] = True
    return spread(result)


@cache
def word_characters() -> NDArray[np.bool_]:
    """What the pre-tokenizer Whitespace considers part of a word."""
    pieces = pre_tokenizers.Whitespace().pre_tokenize_str(_EVERY)
    beside = pre_tokenizers.Whitespace().pre_tokenize_str(" ".join("a" + text[0] for text, _ in pieces))
    together = {text[1] for text, _ in beside if len(text) == 2}
    result = np.zeros(CODES, bool)
    for text, (start, end) in pieces:
        result[_STARTS[start:end]] = text[0] in together
    return spread(result)


@cache
def lower_case() -> dict[int, str]:
    """What each character is in lower case."""
    return outputs(normalizers.Lowercase(), "\n")


@cache
def decompositions(compatible: bool) -> dict[int, str]:
    """Decompositions of all characters but Hangul syllables."""
    found = outputs(normalizers.NFKD() if compatible else normalizers.NFD(), "\n")
    return {code: text for code, text in found.items() if not 0xAC00 <= code < 0xAC00 + 11172}


@cache
def combining_classes() -> NDArray[np.int64]:
    """Canonical combining classes up to their order, which is all that normalisation needs: int64[0x110000], 0 for most.

    A mark of a lower class than another one goes before it; marks of one class stay as they are.
    """
    normalize: Callable[[str], str] = normalizers.NFD().normalize_str
    last, fence = "\u0345", "\n"
    chars = [char for char in _CHARS if char != fence]
    behind = normalize(last + (fence + last).join(chars)).split(fence)
    alone = normalize(fence.join(chars)).split(fence)
    every = zip(chars, behind, alone, strict=True)
    marks = [
        ord(char) for char, both, single in every if single == char and char != last and both == char + last
    ]
    # Insertion into classes in their order: a mark is compared with one of each.
    classes: list[list[int]] = []
    for mark in marks:
        low, high = 0, len(classes)
        while low < high:
            middle = (low + high) // 2
            other = chr(classes[middle][0])
            before = normalize(other + chr(mark)) == chr(mark) + other
            if not before and normalize(chr(mark) + other) != other + chr(mark):
                classes[middle].append(mark)
                break
            low, high = (low, middle) if before else (middle + 1, high)
        else:
            classes.insert(low, [mark])
    result = np.zeros(CODES, np.int64)
    for order, members in enumerate(classes):
        result[members] = order + 1
    result[ord(last)] = len(classes) + 1
    return result


@cache
def pairs() -> tuple[tuple[int, int, int], ...]:
    """First, second and composed character of every pair that NFC composes, Hangul left out; sorted."""
    compose: Callable[[str], str] = normalizers.NFC().normalize_str
    found = []
    for code, text in decompositions(False).items():
        if len(text) < 2 or compose(text) != chr(code):
            continue
        first = compose(text[:-1])
        if len(first) == 1:
            found.append((ord(first), ord(text[-1]), code))
    return tuple(sorted(found))


@cache
def bert_step(step: str) -> dict[int, str]:
    """What one step of the normalizer BertNormalizer turns each character into.

    :param step: the name of its setting.
    """
    steps = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return outputs(normalizers.BertNormalizer(**{**steps, step: True}), "|")
