"""How a multi-vector model reads queries and documents: what ColBERT models of sentence-transformers, PyLate and Stanford say about it.

sentence-transformers (from version 5.4 on) says it in the settings of the transformer and of ``MultiVectorMask``, PyLate in
``config_sentence_transformers.json``, Stanford's ColBERT in ``artifact.metadata``. Defaults are those of each.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edgeemb.bundle.manifest import DOCUMENT, QUERY, LateInteraction
from edgeemb.errors import ModelError
from edgeemb.files import read_config
from edgeemb.models.huggingface.sentence_files import MASKING
from edgeemb.models.huggingface.tokenizer import FolderTokenizer

_CONFIG, _METADATA = "config_sentence_transformers.json", "artifact.metadata"
#: Prompts, and what PyLate calls the tokens in front of them.
_PREFIXES = ((QUERY, "query_prefix", "[Q] "), (DOCUMENT, "document_prefix", "[D] "))
_PYLATE = (
    *(key for _, key, _ in _PREFIXES),
    "do_query_expansion",
    "attend_to_expansion_tokens",
    "skiplist_words",
)
_QUERY_LENGTH, _DOCUMENT_LENGTH = 32, 180
_STRATEGIES = ("fixed", "min")


@dataclass(frozen=True)
class Reading:
    """What files say of queries and documents, in words.

    :param where: the file, for errors.
    :param prefixes: by prompt, what stands in front of each text as one token where the tokenizer knows it.
    :param query_length: tokens of the longest query; None for what the model takes.
    :param document_length: tokens of the longest document; None for what the model takes.
    :param expansion: tokens that shorter queries are filled up to; 0 for no filling.
    :param token: what they are filled up with; empty for the mask token.
    :param attend: whether the other tokens attend to these.
    :param skipped: words whose tokens give no vector.
    :param skips: prompts of the texts that they are skipped in.
    :param normalize: whether vectors have length 1 though no stage says so.
    :param matrix: folder of a checkpoint that also holds the matrix which token vectors go through; None where stages say all.
    """

    where: str = ""
    prefixes: Mapping[str, str] = field(default_factory=dict)
    query_length: int | None = None
    document_length: int | None = None
    expansion: int = 0
    token: str = ""
    attend: bool = False
    skipped: tuple[str, ...] = ()
    skips: tuple[str, ...] = (DOCUMENT,)
    normalize: bool = False
    matrix: Path | None = None

    @property
    def longest(self) -> int:
        """Tokens of the longest text, as far as the files say it; 0 if they do not."""
        return max(self.query_length or 0, self.document_length or 0, self.expansion)


def read_reading(
    folder: Path, root: Path, stages: Sequence[tuple[str, Path]], settings: Mapping[str, Any]
) -> Reading:
    """What the files of a multi-vector model say.

    :param folder: the folder.
    :param root: that of its transformer.
    :param stages: its stages; none for a checkpoint of Stanford's ColBERT.
    :param settings: those of its transformer, see `read_settings`.
    :raises ModelError: if a file is damaged or asks for what edgeemb does not do.
    """
    if not stages:
        return _read_stanford(folder)
    path = folder / _CONFIG
    config = read_config(path) if path.is_file() else {}
    if config.get("model_type") == "ColBERT" or any(key in config for key in _PYLATE):
        return _read_pylate(path, config)
    said = settings.get("query_expansion")
    where = f"{root}: query_expansion of the transformer"
    expansion = said if isinstance(said, dict) else {}
    if said is not None and expansion.get("strategy") not in _STRATEGIES:
        raise ModelError(f"{where} has no strategy of {', '.join(_STRATEGIES)}: save the model again")
    length = _length(expansion.get("length"), where)
    masked = next((place for kind, place in stages if kind == MASKING), None)
    skipping = read_config(masked / "config.json") if masked and (masked / "config.json").is_file() else {}
    if skipping.get("keep_only_token_ids"):
        raise ModelError(
            f"{masked} keeps vectors of some tokens only (keep_only_token_ids), as models of images do: not supported"
        )
    tasks = skipping.get("skiplist_tasks") or [DOCUMENT]
    return Reading(
        where,
        query_length=length
        if expansion.get("strategy") == "fixed"
        else _length(settings.get("query_length"), where),
        document_length=_length(settings.get("document_length"), where),
        expansion=length or 0,
        token=str(expansion.get("token") or ""),
        attend=expansion.get("attend") is True,
        skipped=_words(skipping.get("skiplist_words"), ()),
        skips=tuple(map(str, [tasks] if isinstance(tasks, str) else tasks)),
    )


def _read_pylate(path: Path, config: Mapping[str, Any]) -> Reading:
    """https://github.com/lightonai/pylate, pylate/models/colbert.py."""
    where = str(path)
    length = _length(config.get("query_length"), where) or _QUERY_LENGTH
    expands = config.get("do_query_expansion") is not False
    return Reading(
        where,
        prefixes={
            prompt: str(default if config.get(key) is None else config[key])
            for prompt, key, default in _PREFIXES
        },
        query_length=length,
        document_length=_length(config.get("document_length"), where) or _DOCUMENT_LENGTH,
        expansion=length if expands else 0,
        attend=expands and config.get("attend_to_expansion_tokens") is True,
        skipped=_words(config.get("skiplist_words"), tuple(string.punctuation)),
        normalize=True,
    )


def _read_stanford(folder: Path) -> Reading:
    """https://github.com/stanford-futuredata/ColBERT, colbert/infra/config/settings.py."""
    path = folder / _METADATA
    config = read_config(path) if path.is_file() else {}
    length = _length(config.get("query_maxlen"), str(path)) or _QUERY_LENGTH
    marks = {
        QUERY: config.get("query_token_id") or "[unused0]",
        DOCUMENT: config.get("doc_token_id") or "[unused1]",
    }
    return Reading(
        str(path),
        prefixes={prompt: f"{mark} " for prompt, mark in marks.items()},
        query_length=length,
        document_length=_length(config.get("doc_maxlen"), str(path)),
        expansion=length,
        attend=config.get("attend_to_mask_tokens") is True,
        skipped=() if config.get("mask_punctuation") is False else tuple(string.punctuation),
        normalize=True,
        matrix=folder,
    )


def _length(said: Any, where: str) -> int | None:
    if said is not None and (type(said) is not int or not 3 <= said <= 2**20):
        raise ModelError(
            f"{where} has a length of {str(said)[:40]}, which is no number of tokens: copy it again"
        )
    return said


def _words(said: Any, default: tuple[str, ...]) -> tuple[str, ...]:
    return default if not isinstance(said, list) else tuple(map(str, said))


def with_prefixes(
    reading: Reading, tokenizer: FolderTokenizer, prompts: Mapping[str, str]
) -> tuple[FolderTokenizer, dict[str, str]]:
    """The tokenizer and the prompts of a model whose files name prefixes.

    A prefix that the tokenizer has a token for, with the space after it or without, becomes one that the text around it does not change: such models
    are trained with that token itself. Another stays text.

    :param reading: what the files say.
    :param tokenizer: the model's.
    :param prompts: its prompts, which prefixes stand in front of.
    """
    made = dict(prompts)
    document = json.loads(tokenizer.tokenizer.to_str())
    added = {token["content"]: token for token in document["added_tokens"]}
    for prompt, prefix in reading.prefixes.items():
        names = [name for name in (prefix, *prefix.split()[:1]) if name]
        known = next((name for name in names if tokenizer.tokenizer.token_to_id(name) is not None), None)
        if known is None:
            # PyLate's default is a token that its own checkpoints have.
            continue
        made[prompt] = prefix + made.get(prompt, "").removeprefix(prefix)
        plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        number = tokenizer.tokenizer.token_to_id(known)
        added[known] = {"id": number, "content": known, **plain, "special": True}
    document["added_tokens"] = sorted(added.values(), key=lambda token: int(token["id"]))
    changed = Tokenizer.from_str(json.dumps(document, ensure_ascii=False))
    return replace(tokenizer, tokenizer=changed), made


def interaction(reading: Reading, tokenizer: FolderTokenizer, longest: int) -> LateInteraction:
    """How a session reads queries and documents.

    :param reading: what the files say.
    :param tokenizer: the model's.
    :param longest: tokens of the longest text.
    :raises ModelError: if there is no token that queries could be filled up with, or they are longer than the longest text.
    """
    filler = tokenizer.tokenizer.token_to_id(reading.token) if reading.token else tokenizer.filler
    if reading.expansion and filler is None:
        raise ModelError(
            f"{reading.where}: queries are filled up with {reading.token or 'a mask token'}, which the tokenizer has not: copy the folder again"
        )
    if reading.expansion > longest:
        raise ModelError(
            f"{reading.where}: queries have {reading.expansion} tokens, but texts at most {longest}: use a larger max_length"
        )
    found = (tokenizer.tokenizer.token_to_id(word) for word in reading.skipped)
    return LateInteraction(
        query_length=min(reading.query_length or longest, longest),
        document_length=min(reading.document_length or longest, longest),
        expansion=reading.expansion,
        filler=filler if reading.expansion else None,
        attend=reading.attend,
        skipped=sorted({number for number in found if number is not None}),
        skips=list(reading.skips),
    )
