"""Classes of code points for the boundaries of graphemes (UAX #29), read from the tokenizers library, which offers them only through its
character maps: a map with one key shows whether two characters belong together."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from tokenizers import normalizers

from edgeemb.text.compiled.charsmap.darts import write_charsmap
from edgeemb.text.compiled.probing import CHARACTERS, spread
from edgeemb.text.compiled.tables import CODES

# The names of runtimes/text/charsmap.h.
_CR, _LF, _CONTROL, _EXTEND, _ZWJ, _REGIONAL, _PREPEND, _SPACING = range(1, 9)
_L, _V, _T, _LV, _LVT, _PICTURE, _CONSONANT, _LINKER, _NONJOINER = range(9, 18)

_JAMO = {
    _L: ((0x1100, 0x115F), (0xA960, 0xA97C)),
    _V: ((0x1160, 0x11A7), (0xD7B0, 0xD7C6)),
    _T: ((0x11A8, 0x11FF), (0xD7CB, 0xD7FB)),
}
# Consonants and linkers of the scripts of rule GB9c (Unicode's Indic_Conjunct_Break).
_CONSONANTS = (
    "0915-0939 0958-095F 0978-097F 0995-09A8 09AA-09B0 09B2-09B2 09B6-09B9 09DC-09DD 09DF-09DF 09F0-09F1 0A95-0AA8 0AAA-0AB0 0AB2-0AB3 "
    "0AB5-0AB9 0AF9-0AF9 0B15-0B28 0B2A-0B30 0B32-0B33 0B35-0B39 0B5C-0B5D 0B5F-0B5F 0B71-0B71 0C15-0C28 0C2A-0C39 0C58-0C5A 0D15-0D3A"
)
_LINKERS = (0x094D, 0x09CD, 0x0ACD, 0x0B4D, 0x0C4D, 0x0D4D)

# Marks of two bytes, which extend whatever they follow.
_MARK, _OTHER_MARK = "\u0301", "\u0302"
_FENCE = "\n"
#: Texts that are normalised at once: the library needs some 100 bytes for each character of them.
_AT_ONCE = 1 << 15


def _probe(key: str, before: str, behind: str, joined: str, apart: str) -> NDArray[np.bool_]:
    """For each character, whether a text around it, normalised with a map of one key, comes out as one of two: bool[0x110000]."""
    codes = np.array([code for code in CHARACTERS if code not in (10, 13)], np.uint32)
    normalizer = normalizers.Precompiled(write_charsmap({key: "#"}))
    result = np.zeros(CODES, bool)
    for part in np.array_split(codes, -(-len(codes) // _AT_ONCE)):
        text = _points_to_text(_around(f"{before}@{behind}{_FENCE}", part).ravel()[:-1])
        found = _text_to_points(normalizer.normalize_str(text))
        ends = np.append(np.flatnonzero(found == ord(_FENCE)), len(found))
        starts = np.append(0, ends[:-1] + 1)
        result[part] = _equal(found, starts, ends, joined, part) & ~_equal(found, starts, ends, apart, part)
    return spread(result)


def _around(pattern: str, codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A text for each character, which takes the place of "@" if there is one: uint32[characters, length]."""
    points = _text_to_points(pattern)
    return np.where(points == ord("@"), codes[:, None], points)


def _equal(
    found: NDArray[np.uint32],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    pattern: str,
    codes: NDArray[np.uint32],
) -> NDArray[np.bool_]:
    """Which parts of a text are a pattern around their character: bool[characters]."""
    same = ends - starts == len(pattern)
    places = starts[same, None] + np.arange(len(pattern))
    same[same] = np.all(found[places] == _around(pattern, codes[same]), axis=1)
    return np.asarray(same, np.bool_)


def _text_to_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.uint32)


def _points_to_text(points: NDArray[np.uint32]) -> str:
    return points.astype("<u4").tobytes().decode("utf-32-le")


@cache
def classes() -> NDArray[np.int64]:
    """The class of each code point: int64[0x110000]."""
    result = np.zeros(CODES, np.int64)
    extends = _probe("x", "x", "", "#", "#@")
    # After a control character a mark stands alone, and goes with the mark behind it into one grapheme that the key begins.
    control = _probe(_MARK, "", _MARK + _OTHER_MARK, "@#", "@#" + _OTHER_MARK)
    prepend = _probe("x", "", "x" + _MARK, "@#" + _MARK, "@#") & ~extends
    pictures = _probe("©", "©\u200d", "", "#\u200d@", "#@") & ~extends
    # The key itself comes out as neither.
    pictures[ord("©")] = True
    result[control] = _CONTROL
    result[extends] = _EXTEND
    result[_spacing(extends)] = _SPACING
    result[prepend] = _PREPEND
    result[pictures] = _PICTURE
    for kind, ranges in _JAMO.items():
        for low, high in ranges:
            result[low : high + 1] = kind
    result[0xAC00 : 0xAC00 + 11172] = _LVT
    result[0xAC00 : 0xAC00 + 11172 : 28] = _LV
    for part in _CONSONANTS.split():
        low, high = (int(end, 16) for end in part.split("-"))
        result[low : high + 1] = _CONSONANT
    result[list(_LINKERS)] = _LINKER
    result[0x1F1E6:0x1F200] = _REGIONAL
    result[0x200D] = _ZWJ
    result[0x200C] = _NONJOINER
    result[13], result[10] = _CR, _LF
    return result


def _spacing(extends: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of those that join what is before them do not keep a picture and a joiner together: the spacing marks."""
    # A picture, the character, a joiner and a picture are one grapheme where the character extends, two where it is a spacing mark: then the
    # second, with its mark, is short enough to be replaced as a whole.
    joined = _probe("©", "\u00ae", "\u200d©" + _MARK, "\u00ae@\u200d#" + _MARK, "\u00ae@\u200d#")
    return extends & ~joined
