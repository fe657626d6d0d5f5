"""SentencePiece's character maps as an operation (layout: runtimes/text/charsmap.h)."""

from __future__ import annotations

import base64
import binascii

from edgeemb.text.compiled.blob import Blob
from edgeemb.text.compiled.charsmap.darts import read_charsmap
from edgeemb.text.compiled.charsmap.graphemes import classes
from edgeemb.text.compiled.refusal import refuse
from edgeemb.text.compiled.tables import add_strings, add_table
from edgeemb.text.compiled.trie import add_trie

#: A longer key is in no grapheme that is replaced as a whole.
_GRAPHEME = 5


def add_charsmap(blob: Blob, encoded: str) -> tuple[int, int, int, int]:
    """Write a character map.

    :param encoded: the map in base64.
    :return: the arguments of the operation EET_CHARSMAP.
    :raises NotCompiled: if it is damaged.
    """
    try:
        found = read_charsmap(base64.b64decode(encoded, validate=True))
    except binascii.Error as error:
        raise refuse(f"its precompiled_charsmap is damaged ({error})") from error
    keys = {key: text for key, text in found.items() if len(key) <= _GRAPHEME}
    blob.breaks.graphemes(keys)
    strings = sorted(set(keys.values()))
    places = {text: place for place, text in enumerate(strings)}
    table, _ = add_table(blob, classes())
    trie = add_trie(blob, {key: places[text] for key, text in keys.items()}, 3)
    return trie, 3, add_strings(blob, strings), table
