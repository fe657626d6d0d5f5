"""Tokenizers side by side: each opens a file of its own format, which is made from a tokenizer.json where it can be.

SentencePiece gets the pieces, scores and character map of a Unigram model; tiktoken gets the merges of a byte-level BPE in their order, and its
regular expression.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: Ids of each text.
Encode = Callable[[list[str]], list[list[int]]]


@dataclass(frozen=True)
class Peer:
    """A tokenizer.

    :param name: what it is called in the output.
    :param package: where it comes from; it takes part only if that is installed.
    :param write: makes its file from a tokenizer.json, and says whether it could.
    :param open: opens that file.
    """

    name: str
    package: str
    write: Callable[[Path, Path], bool]
    open: Callable[[Path], Encode]


def installed() -> list[Peer]:
    """Those that can take part."""
    return [peer for peer in PEERS if find_spec(peer.package)]


def find_peer(name: str) -> Peer:
    """A peer by its name."""
    return next(peer for peer in PEERS if peer.name == name)


def _write_blob(source: Path, to: Path) -> bool:
    from edgeemb.text.compiled import compile_tokenizer

    to.write_bytes(compile_tokenizer(source.read_text("utf-8")))
    return True


def _open_blob(path: Path) -> Encode:
    from edgeemb.native.tokenizer import CompiledTokenizer

    tokenizer = CompiledTokenizer(path)
    return lambda texts: [tokenizer.encode(text, special_tokens=False).ids.tolist() for text in texts]


def _write_json(source: Path, to: Path) -> bool:
    to.write_bytes(source.read_bytes())
    return True


def _open_json(path: Path) -> Encode:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def encode(texts: list[str]) -> list[list[int]]:
        return [found.ids for found in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    return encode


def _write_sentencepiece(source: Path, to: Path) -> bool:
    values = json.loads(source.read_text("utf-8"))
    model = values["model"]
    if _kind(source) != "Unigram" or model.get("byte_fallback"):
        return False
    made: Any = import_module("sentencepiece.sentencepiece_model_pb2").ModelProto()
    kinds = made.SentencePiece
    special = {token["content"] for token in values["added_tokens"]}
    for at, (piece, score) in enumerate(model["vocab"]):
        kind = kinds.UNKNOWN if at == model["unk_id"] else kinds.CONTROL if piece in special else kinds.NORMAL
        made.pieces.add(piece=piece, score=score, type=kind)
    made.trainer_spec.model_type = made.trainer_spec.UNIGRAM
    # Ids that the trainer's own defaults would reserve.
    made.trainer_spec.unk_id = model["unk_id"]
    made.trainer_spec.unk_piece = model["vocab"][model["unk_id"]][0]
    made.normalizer_spec.precompiled_charsmap = base64.b64decode(_charsmap(values.get("normalizer")))
    made.normalizer_spec.add_dummy_prefix = made.normalizer_spec.remove_extra_whitespaces = True
    to.write_bytes(made.SerializeToString())
    return True


def _kind(source: Path) -> str:
    """The kind of a model, which files of old versions do not name."""
    from tokenizers import Tokenizer

    return type(Tokenizer.from_file(str(source)).model).__name__


def _charsmap(section: Any) -> str:
    """The character map of a normalizer, or of a part of it."""
    parts = [section] if isinstance(section, dict) else []
    for part in parts:
        parts += part.get("normalizers", [])
    return next((part["precompiled_charsmap"] for part in parts if part["type"] == "Precompiled"), "")


def _open_sentencepiece(path: Path) -> Encode:
    from sentencepiece import SentencePieceProcessor

    tokenizer = SentencePieceProcessor(model_file=str(path))
    return partial(tokenizer.encode, num_threads=1)


def _write_tiktoken(source: Path, to: Path) -> bool:
    from edgeemb.text.byte_level import BYTE_OF
    from edgeemb.text.compiled.pre_tokenizers import GPT2

    values = json.loads(source.read_text("utf-8"))
    parts = values["pre_tokenizer"] or {}
    parts = parts.get("pretokenizers", [parts])
    if _kind(source) != "BPE" or parts[-1].get("type") != "ByteLevel":
        return False
    patterns = [part["pattern"]["Regex"] for part in parts if part["type"] == "Split"]
    ranks = {bytes([byte]): byte for byte in range(256)}
    for merge in values["model"]["merges"]:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        ranks.setdefault(bytes(BYTE_OF[char] for char in "".join(pair)), len(ranks))
    lines = [patterns[0] if patterns else GPT2]
    lines += [f"{base64.b64encode(token).decode()} {rank}" for token, rank in ranks.items()]
    to.write_text("\n".join(lines), "utf-8")
    return True


def _open_tiktoken(path: Path) -> Encode:
    from tiktoken import Encoding

    pattern, *lines = path.read_text("utf-8").split("\n")
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
    tokenizer = Encoding(path.stem, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda texts: tokenizer.encode_ordinary_batch(texts, num_threads=1)


PEERS = (
    Peer("edgeemb", "edgeemb", _write_blob, _open_blob),
    Peer("tokenizers", "tokenizers", _write_json, _open_json),
    Peer("sentencepiece", "sentencepiece", _write_sentencepiece, _open_sentencepiece),
    Peer("tiktoken", "tiktoken", _write_tiktoken, _open_tiktoken),
)
