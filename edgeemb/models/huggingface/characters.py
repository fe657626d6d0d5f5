"""CANINE (https://arxiv.org/abs/2103.06874), which reads characters by their code points and has no vocabulary.

A character's row is made of pieces of several tables, one for each of some hash functions, which multiply its code point by a prime and take the
remainder by the rows of a table. So the code points that leave the same remainder have the same row, and the pieces of all tables are as well the
rows of a single one, in which a code point is looked up by its remainder: it has as many elements as they have together.
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, processors
from torch import Tensor, nn

from edgeemb.errors import ModelError
from edgeemb.files import read_config
from edgeemb.models.huggingface.tokenizer import SETTINGS, FolderTokenizer
from edgeemb.text.compiled.charsmap.darts import write_charsmap

#: What the hash functions multiply by, as in transformers and in the authors' code.
PRIMES = (31, 43, 59, 61, 73, 97, 103, 113, 137, 149, 157, 173, 181, 193, 211, 223)
#: Ids are code points below this; of the planes behind it Unicode has assigned but a few (`_behind`), which are read as others with the same rows.
CODE_POINTS = 0x323B0
#: Characters of private use around a text, and between two.
FIRST, LAST = chr(0xE000), chr(0xE001)
#: What is read for what has no id.
_UNKNOWN = "\ufffd"
#: Code points that no text has.
_SURROGATES = range(0xD800, 0xE000)
#: Characters of the longest text, where the settings do not say it: as transformers' tokenizer has it.
_LONGEST = 2048
#: Remainders by which characters behind `CODE_POINTS` are known; tables have as many rows, or a divisor of it.
_REMAINDERS = 1 << 14


class Characters(nn.Module):
    """The rows of characters: of their code points, types and places.

    :param embeddings: transformers' `CanineEmbeddings`.
    :raises ModelError: if its tables have another number of rows than the code points are known by.
    """

    def __init__(self, embeddings: Any) -> None:
        super().__init__()
        count = int(embeddings.config.num_hash_functions)
        tables = [getattr(embeddings, f"HashBucketCodepointEmbedder_{number}") for number in range(count)]
        self.buckets = len(tables[0].weight)
        if _REMAINDERS % self.buckets:
            raise ModelError(
                f"num_hash_buckets is {self.buckets}: a model of type 'canine' needs a divisor of {_REMAINDERS}, "
                "or pass it as a torch module, edgeemb.load(module, example_inputs=...)"
            )
        hashed = torch.arange(1, self.buckets + 1)
        rows = [
            table.weight.detach()[hashed * prime % self.buckets]
            for table, prime in zip(tables, PRIMES, strict=False)
        ]
        weight = torch.cat(rows, dim=1)
        self.word_embeddings = nn.Embedding(self.buckets, weight.shape[1], _weight=weight)
        self.position_embeddings = embeddings.char_position_embeddings
        self.token_type_embeddings = embeddings.token_type_embeddings
        self.LayerNorm = embeddings.LayerNorm
        places = torch.arange(len(self.position_embeddings.weight))[None]
        self.places: Tensor
        self.register_buffer("places", places, persistent=False)

    def forward(
        self, input_ids: Tensor, token_type_ids: Tensor, position_ids: None = None, inputs_embeds: None = None
    ) -> Tensor:
        """:param input_ids: int64[batch, length]. :param token_type_ids: the same. :return: float32[batch, length, dim]."""
        words = self.word_embeddings(torch.remainder(input_ids, self.buckets))
        places = self.position_embeddings(self.places[:, : input_ids.shape[1]])
        found: Tensor = self.LayerNorm(words + self.token_type_embeddings(token_type_ids) + places)
        return found


def share_table(body: Any) -> None:
    """Let the characters of a CANINE have one table.

    :param body: the model, which is changed.
    """
    base = body.base_model
    base.char_embeddings = Characters(base.char_embeddings)
    # Where transformers looks for the table.
    base.embed_tokens = base.char_embeddings.word_embeddings


def character_tokenizer(folder: Path) -> FolderTokenizer:
    """A tokenizer whose tokens are characters, and whose ids are their code points.

    :param folder: whose settings may say how long a text is.
    :raises ModelError: if they cannot be read.
    """
    vocabulary = {f"<{code:X}>" if code in _SURROGATES else chr(code): code for code in range(CODE_POINTS)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.Precompiled(
        write_charsmap({chr(code): chr(code % _REMAINDERS) for code in _behind()})
    )
    # The types of a pair are those that the authors train with; transformers 5 gives 0 for both texts.
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{FIRST} $A {LAST}",
        pair=f"{FIRST} $A {LAST} $B:1 {LAST}:1",
        special_tokens=[(FIRST, ord(FIRST)), (LAST, ord(LAST))],
    )
    said = read_config(folder / SETTINGS).get("model_max_length") if (folder / SETTINGS).is_file() else None
    longest = int(said) if isinstance(said, (int, float)) and 0 < said <= 10**6 else _LONGEST
    return FolderTokenizer(tokenizer, longest)


def _behind() -> list[int]:
    """Code points behind `CODE_POINTS` that are assigned: tags, and selectors of variants."""
    return [
        code
        for code in range(CODE_POINTS, sys.maxunicode + 1)
        if unicodedata.category(chr(code)) not in ("Cn", "Co")
    ]
