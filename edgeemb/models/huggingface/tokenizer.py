"""The tokenizer in a model's folder."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.normalizers import Lowercase, Sequence

from edgeemb.errors import ModelError
from edgeemb.files import read_text
from edgeemb.text.tokenizer import MAX_BYTES, parse_tokenizer

# What a slow tokenizer can be converted from.
_SLOW_FILES = ("vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model")


def read_tokenizer(folder: Path, *, lowercase: bool = False) -> Tokenizer:
    """The tokenizer of a model folder, without truncation and padding (a session sets its own).

    :param folder: holds ``tokenizer.json``, or the vocabulary of a slow tokenizer, which is converted.
    :param lowercase: fold the text to lower case first, as sentence-transformers' ``do_lower_case`` asks for.
    :raises ModelError: if there is no tokenizer, or it cannot be read or converted.
    """
    path = folder / "tokenizer.json"
    if path.is_file():
        tokenizer = parse_tokenizer(read_text(path, MAX_BYTES, ModelError), str(path))
    elif any((folder / name).is_file() for name in _SLOW_FILES):
        tokenizer = _converted(folder)
    else:
        raise ModelError(f"{folder} has no tokenizer.json: save the model's tokenizer into the folder")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if lowercase:
        first = Lowercase()
        rest = tokenizer.normalizer
        tokenizer.normalizer = first if rest is None else Sequence([first, rest])
    return tokenizer


def _converted(folder: Path) -> Tokenizer:
    from transformers import AutoTokenizer  # only old folders need it, and it is slow to import

    try:
        fast = AutoTokenizer.from_pretrained(str(folder), use_fast=True, local_files_only=True)
        text = fast.backend_tokenizer.to_str()
    except (OSError, ValueError, KeyError, AttributeError, TypeError, ImportError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(
            f"{folder}: cannot convert its tokenizer ({reason}): save it as tokenizer.json"
        ) from error
    return parse_tokenizer(text, f"the converted tokenizer of {folder}")
