"""The tokenizer in a model's folder, as transformers builds it.

transformers makes a tokenizer from ``tokenizer.json``, ``tokenizer_config.json`` and the class that these (or ``config.json``) name, and where
they contradict each other the settings win: ``do_lower_case``, ``strip_accents``, ``add_prefix_space``, ``add_bos_token`` and the like. So it is
asked for the result, which is then in a single ``tokenizer.json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.normalizers import Lowercase, Sequence

from edgeemb.errors import ModelError, first_line
from edgeemb.files import check_size, read_config, read_text
from edgeemb.quiet import quiet
from edgeemb.text.tokenizer import MAX_BYTES, check_ends, cut_from, is_panic, parse_tokenizer

FILE = "tokenizer.json"
SETTINGS = "tokenizer_config.json"
# What a slow tokenizer can be converted from.
_SLOW_FILES = ("vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model")
# How the token for a masked place is written where no settings name it.
_MASKS = ("[MASK]", "<mask>")
# transformers' model_max_length from here on means that there is none.
_NO_LIMIT = 10**6


@dataclass(frozen=True)
class FolderTokenizer:
    """A tokenizer and what its settings say.

    :param tokenizer: without padding, which a session sets; its truncation only says which end of a long text is cut.
    :param max_length: tokens of the longest text by the settings; None where nothing is said.
    :param mask: id of the token that stands for a masked place; None where there is none.
    :param file: the ``tokenizer.json`` that it was read or built from; None where there is none.
    :param end: id of the token that ends a text by the settings; None where there is none.
    """

    tokenizer: Tokenizer
    max_length: int | None = None
    mask: int | None = None
    file: Path | None = None
    end: int | None = None

    @property
    def filler(self) -> int | None:
        """The token that fills up queries of multi-vector models: that of masked places, without one that of the end."""
        return self.end if self.mask is None else self.mask

    @property
    def written_length(self) -> int | None:
        """Where its file itself cuts, which transformers passes over; None where it does not."""
        own = None if self.file is None else _read(self.file)
        return int(own.truncation["max_length"]) if own is not None and own.truncation else None

    def within(self, rows: int, where: str, cure: str = "mend either") -> FolderTokenizer:
        """The tokenizer without tokens that transformers adds (such as ``<mask>``) and the model has no row for.

        :param rows: rows of the word table.
        :param where: what to call the model in an error.
        :param cure: what to do about it.
        :raises ModelError: if another token has no row.
        """
        tokenizer = self.tokenizer
        largest = _largest(tokenizer)
        if largest >= rows and self.file is not None:
            own = _read(self.file).get_vocab(with_added_tokens=True)
            document = json.loads(tokenizer.to_str())
            document["added_tokens"] = [
                token for token in document["added_tokens"] if token["id"] < rows or token["content"] in own
            ]
            tokenizer = Tokenizer.from_str(json.dumps(document, ensure_ascii=False))
            largest = _largest(tokenizer)
        if largest >= rows:
            raise ModelError(
                f"{where}: the tokenizer gives ids up to {largest}, the table has {rows} rows: {cure}"
            )
        mask = self.mask if self.mask is not None and self.mask < rows else None
        return replace(self, tokenizer=tokenizer, mask=mask)


def _largest(tokenizer: Tokenizer) -> int:
    return max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)


def read_tokenizer(folder: Path, *, lowercase: bool = False) -> FolderTokenizer:
    """The tokenizer of a model folder, as transformers builds it.

    :param folder: holds ``tokenizer.json``, or the vocabulary of a slow tokenizer, which is converted; and its settings, if any.
    :param lowercase: fold the text to lower case first, as sentence-transformers' ``do_lower_case`` asks for.
    :raises ModelError: if there is no tokenizer, or it cannot be read or built.
    """
    file = folder / FILE
    if not file.is_file() and not any((folder / name).is_file() for name in _SLOW_FILES):
        raise ModelError(f"{folder} has no {FILE}: save the model's tokenizer into the folder")
    made = _built(folder) if _has_settings(folder) or not file.is_file() else _as_written(file)
    tokenizer = made.tokenizer
    tokenizer.no_padding()
    if lowercase:
        first = Lowercase()
        rest = tokenizer.normalizer
        tokenizer.normalizer = first if rest is None else Sequence([first, rest])
    return made


def read_plain_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer exactly as in ``tokenizer.json``, which is how static models are read; without truncation and padding.

    :param folder: holds ``tokenizer.json``, or the vocabulary of a slow tokenizer.
    :raises ModelError: if there is no tokenizer, or it cannot be read or built.
    """
    file = folder / FILE
    tokenizer = _read(file) if file.is_file() else read_tokenizer(folder).tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _read(file: Path) -> Tokenizer:
    return parse_tokenizer(read_text(file, MAX_BYTES, ModelError), str(file))


def _as_written(file: Path) -> FolderTokenizer:
    own = _read(file)
    cut_from(own, "right")
    masks = (own.token_to_id(token) for token in _MASKS)
    return FolderTokenizer(own, mask=next((mask for mask in masks if mask is not None), None), file=file)


def _has_settings(folder: Path) -> bool:
    """Whether transformers would use anything but the file; both are read here so that damage is reported in our own words."""
    said, config = folder / SETTINGS, folder / "config.json"
    settings = read_config(said) if said.is_file() else None
    if settings is not None and "AutoTokenizer" in str(settings.get("auto_map")):
        raise ModelError(
            f"{said} names Python code of the model (auto_map), which is not run: "
            "save the tokenizer with save_pretrained of a class that transformers has"
        )
    return settings is not None or (config.is_file() and "model_type" in read_config(config))


def _built(folder: Path) -> FolderTokenizer:
    """The tokenizer that transformers builds."""
    from transformers import AutoTokenizer  # slow to import

    file = folder / FILE
    if file.is_file():
        check_size(file, MAX_BYTES, ModelError)
    try:
        with quiet():
            made = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        tokenizer = made.backend_tokenizer
        tokenizer.to_str()  # parts in Python have no such form
        limit, side = made.model_max_length, str(made.truncation_side)
        mask = None if made.mask_token is None else made.mask_token_id
        end = None if made.eos_token is None else made.eos_token_id
        del made
    # The classes raise whatever they stumble over, tokenizers the bare Exception, and it panics, which is no Exception, over what it does not expect.
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        if file.is_file():
            _read(file)  # which says more if the file is to blame
        raise ModelError(
            f"{folder}: transformers cannot build its tokenizer ({first_line(error)}): save it as {FILE}, without {SETTINGS}"
        ) from error
    check_ends(tokenizer, f"the tokenizer that transformers builds from {folder}")
    cut_from(tokenizer, side)
    return FolderTokenizer(
        tokenizer,
        int(limit) if isinstance(limit, (int, float)) and 0 < limit < _NO_LIMIT else None,
        mask=mask,
        file=file if file.is_file() else None,
        end=end,
    )
