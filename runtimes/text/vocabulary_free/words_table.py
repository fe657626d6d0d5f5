"""Writes the table of the `words` tokenizer, in C and in Python, from the Unicode data of the Python that runs it.

    python runtimes/text/vocabulary_free/words_table.py

docs/words.md says what the actions mean and which Unicode version is pinned: another version is another tokenizer, so it is refused.
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

#: What the table is made from; models are trained with it.
UNICODE = "14.0.0"

DROP, SPACE, ISOLATE, LOWER, LOWER_EVERY_OTHER = range(1, 6)

ROOT = Path(__file__).resolve().parents[3]
HEADER = ROOT / "runtimes" / "text" / "vocabulary_free" / "words_table.h"
MODULE = ROOT / "edgeemb" / "text" / "words_table.py"

#: Ideographs, which stand for words without spaces between them: the blocks of CJK, and the two planes kept for more of them.
_IDEOGRAPHS = (
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x3FFFE),
)
_SPACES = frozenset("\t\n\v\f\r\x85")
_LONGEST = 0x10000

Range = tuple[int, int, int, int]


def action_of(code: int) -> tuple[int, int]:
    """What is done with a code point: an action or 0, and for `LOWER` what is added to it."""
    character = chr(code)
    category = unicodedata.category(character)
    if character in _SPACES or category in ("Zs", "Zl", "Zp"):
        return SPACE, 0
    if code == 0xFFFD or category in ("Cc", "Cf", "Cs"):
        return DROP, 0
    # Every visible ASCII character that is neither letter nor digit, as in BERT.
    if category[0] == "P" or (code < 0x80 and category[0] == "S"):
        return ISOLATE, 0
    if any(code in block for block in _IDEOGRAPHS):
        return ISOLATE, 0
    # The simple mapping is the first of the full one.
    lower = ord(character.lower()[0])
    return (LOWER, lower - code) if lower != code else (0, 0)


def ranges() -> list[Range]:
    """First code point, action, code points after the first, and what is added modulo 2**16."""
    found: list[list[int]] = []
    for code in range(0x110000):
        action, added = action_of(code)
        if not action:
            continue
        if action == LOWER and code >> 16 != code + added >> 16:
            raise SystemExit(f"U+{code:04X} changes its plane: the table cannot hold it")
        added %= 1 << 16
        last = found[-1] if found else [0, 0, 0, 0]
        first, before, span, step = last
        joins = step == added and span + 2 < _LONGEST and first >> 16 == code >> 16
        if joins and before == action and code == first + span + 1:
            last[2] += 1
        elif (
            joins
            and action == LOWER
            and code == first + span + 2
            and (span == 0 or before == LOWER_EVERY_OTHER)
        ):
            last[1], last[2] = LOWER_EVERY_OTHER, span + 2
        else:
            found.append([code, action, 0, added])
    return [(first, action, span, added) for first, action, span, added in found]


def main() -> None:
    """Write both files."""
    if unicodedata.unidata_version != UNICODE:
        raise SystemExit(
            f"this Python has Unicode {unicodedata.unidata_version}, the table is of {UNICODE}: use Python 3.11"
        )
    entries = ranges()
    rows = "\n".join(
        f"    {{0x{first | action << 21:06x}u, {span}, {added}}}," for first, action, span, added in entries
    )
    HEADER.write_text(
        f"""\
/* Written by runtimes/text/vocabulary_free/words_table.py from Unicode {UNICODE}: what the tokenizer `words` does with code points.
 * A code point that stands in no range is kept as it is. */
#ifndef EEV_WORDS_TABLE_H
#define EEV_WORDS_TABLE_H

#include <stdint.h>

/* first: code point | action << 21. span: code points after the first. added: to the lower 16 bits, modulo 2**16. */
typedef struct eev_word_range {{
    uint32_t first;
    uint16_t span, added;
}} eev_word_range;

#define EEV_WORD_RANGES {len(entries)}u

/* clang-format off */
static const eev_word_range eev_word_ranges[EEV_WORD_RANGES] = {{
{rows}
}};
/* clang-format on */

#endif
""",
        "utf-8",
    )
    rows = "\n".join(f"    ({first}, {action}, {span}, {added})," for first, action, span, added in entries)
    MODULE.write_text(
        f'''\
"""Written by runtimes/text/vocabulary_free/words_table.py from Unicode {UNICODE}: what the tokenizer `words` does with code points."""

DROP, SPACE, ISOLATE, LOWER, LOWER_EVERY_OTHER = range(1, 6)

#: First code point, action, code points after the first, and what is added to the lower 16 bits modulo 2**16.
RANGES: tuple[tuple[int, int, int, int], ...] = (
{rows}
)
''',
        "utf-8",
    )
    sys.stdout.write(f"{len(entries)} ranges, {8 * len(entries)} bytes\n")


if __name__ == "__main__":
    main()
