"""Compressed embedding tables: numpy in, numpy out. `encode` fits one; `CODECS` lists the codecs."""

from __future__ import annotations

from edgeemb.tables.codec import Codec
from edgeemb.tables.encoding import encode
from edgeemb.tables.registering import register
from edgeemb.tables.registry import CODECS, find_codec, nbytes, reads_tokens
from edgeemb.tables.table import Table, check_ids

__all__ = [
    "CODECS",
    "Codec",
    "Table",
    "check_ids",
    "encode",
    "find_codec",
    "nbytes",
    "reads_tokens",
    "register",
]
