"""What an export needs from a model, whatever its source. Imports neither torch nor onnx."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import LateInteraction
from edgeemb.errors import ModelError, SpecError
from edgeemb.tables import Table
from edgeemb.tasks.registry import TASKS
from edgeemb.tasks.task import Task
from edgeemb.text.words import RowForm

if TYPE_CHECKING:
    from edgeemb.models.torch.model import Model
    from edgeemb.vectors.fit import Projection
    from edgeemb.vocabulary.prune import Pruned

Role = Literal["word", "position", "type", "other"]

#: How one vector per text comes from its token vectors: the modes of sentence-transformers' ``Pooling``.
POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


@dataclass(frozen=True)
class TableInfo:
    """One embedding table of a model.

    :param name: name of the weight inside the model, such as ``body.embeddings.word_embeddings.weight``.
    :param alias: its short name, unique in the model: ``word``, ``position``, ``type``, or taken from `name`.
    :param role: what its ids are; ``other`` where edgeemb does not know.
    :param rows: number of rows.
    :param dim: number of columns.
    :param tied: whether the weight also serves another layer, such as an output head.
    :param stored: bytes that it takes in the model as it came; None where that is float32.
    """

    name: str
    alias: str
    role: Role
    rows: int
    dim: int
    tied: bool
    stored: int | None = None

    @property
    def bytes(self) -> int:
        """Bytes of the table in the model as it came."""
        return self.rows * self.dim * 4 if self.stored is None else self.stored


@dataclass(frozen=True)
class TensorInfo:
    """An input or an output of a model.

    :param name: its name in the exported graph.
    :param dtype: numpy name of its type, such as ``int64``.
    :param axes: one entry per axis: a name where the size may vary, a number where it is fixed.
    :param table: alias of the table that an input of ids goes straight into, None for anything else.
    :param rows: ids must lie in [0, rows); None where there is no such table.
    """

    name: str
    dtype: str
    axes: tuple[str | int, ...]
    table: str | None = None
    rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class LoadedModel(ABC):
    """A model as an export takes it.

    :param name: short name, for file names and reports.
    :param source: where it came from, as given to ``load``.
    :param kind: name of its task (see `edgeemb.tasks.registry`), such as ``embedding``; ``module`` where nothing is known of its outputs.
    :param inputs: what goes in; of a model that takes text, the ids first and the mask second.
    :param outputs: the results.
    :param tables: its embedding tables, the largest first.
    :param tokenizer_json: text of the ``tokenizer.json`` that turns text into ids; None for a ``module``, and where there are `words`.
    :param words: how rows are computed from words, where there is no vocabulary and the first input holds the bytes of words.
    :param max_length: tokens of the longest text, special tokens included; 0 for a ``module``.
    :param positions: length of the longest sequence that the model has positions for; 0 where it sets no limit.
    :param pad_id: id that fills up shorter texts of a batch.
    :param pooling: the pooling modes joined by ``+``; None where nothing is pooled.
    :param normalize: whether the vectors have length 1.
    :param labels: names of the classes, in the order of the logits.
    :param activation: what makes probabilities or scores of logits: ``softmax``, ``sigmoid``, or nothing.
    :param prompt: what the model expects in front of each text, often empty.
    :param prompts: prompts by name, of which one can be chosen instead.
    :param mask_id: id of the token that stands for a masked place; None where there is none.
    :param interaction: how queries and documents are read, for a multi-vector model that says it; None for others.
    :param fitted: tables by alias that were trained inside the model: an export takes them as they are.
    """

    name: str
    source: str
    kind: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    tables: tuple[TableInfo, ...]
    tokenizer_json: str | None = field(default=None, repr=False)
    words: RowForm | None = None
    max_length: int = 0
    positions: int = 0
    pad_id: int = 0
    pooling: str | None = None
    normalize: bool = False
    labels: tuple[str, ...] = ()
    activation: str = ""
    prompt: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    mask_id: int | None = None
    interaction: LateInteraction | None = None
    fitted: Mapping[str, Table] = field(default_factory=dict, repr=False)

    @property
    def task(self) -> Task | None:
        """What it is for; None where nothing is known of its outputs."""
        return TASKS.get(self.kind)

    @property
    def takes_text(self) -> bool:
        """Whether texts go in, by a vocabulary or without one."""
        return self.tokenizer_json is not None or self.words is not None

    @property
    def word_table(self) -> TableInfo:
        """The table of the vocabulary, or the only table there is.

        :raises ModelError: if a module has several tables and none is known to be the vocabulary's.
        """
        words = [table for table in self.tables if table.role == "word"] or list(self.tables)
        if len(words) > 1:
            raise ModelError(
                f"{self.name} has several tables, name one of: {', '.join(t.alias for t in words)}"
            )
        return words[0]

    def table(self, alias: str) -> TableInfo:
        """The table of that name.

        :raises ModelError: if there is none; the message lists the names.
        """
        for table in self.tables:
            if table.alias == alias:
                return table
        known = ", ".join(table.alias for table in self.tables)
        raise ModelError(f"{self.name} has no table {alias!r}, its tables are: {known}")

    def near_tables(self) -> Mapping[str, str]:
        """What looks like a table but is not one: names, and the reason for each."""
        return {}

    @property
    def runtimes(self) -> tuple[str, ...]:
        """Runtimes that the model can be written for; empty for all of them."""
        return ()

    @property
    def default_body(self) -> str | None:
        """Precision of the body if the user names none; None for the target's default."""
        return None

    @abstractmethod
    def table_weight(self, alias: str) -> NDArray[np.float32]:
        """A copy of a table's rows, float32[rows, dim].

        :raises ModelError: if there is no such table.
        """

    def token_weight(self) -> NDArray[np.float32]:
        """The row of each token id, float32[ids, dim]."""
        return self.table_weight(self.word_table.alias)

    def row_frequency(self, tokens: NDArray[np.float64]) -> NDArray[np.float64]:
        """How often each row of the word table is looked up.

        :param tokens: float64[ids], how often each token id is.
        :return: float64[rows].
        """
        return tokens

    @property
    def ranking(self) -> bool:
        """Whether the second output says which tokens the logits of the first belong to, the best first."""
        return False

    def with_tokens(self, pruned: Pruned) -> LoadedModel:
        """A model that knows only some tokens.

        :param pruned: the tokens and their tokenizer.
        :raises SpecError: if the model cannot be changed in that way.
        """
        raise SpecError(
            f"{self.name} is a finished model, which may hold token ids anywhere, so its vocabulary cannot be shrunk: "
            "leave `vocab` out"
        )

    def with_rows(self, alias: str, rows: NDArray[np.float32], *, shared: bool = False) -> LoadedModel:
        """A copy that has other rows in a table, to try them out.

        :param alias: which table.
        :param rows: float32[V, D].
        :param shared: whether layers of another kind that share the weight get them too, where the model's format lets them keep their own.
        :raises SpecError: if the model is of a kind whose tables cannot be replaced for a trial.
        """
        raise SpecError(
            f"{self.name} is a finished model whose tables cannot be tried out: name a spec instead of auto"
        )

    def with_projection(self, projection: Projection) -> LoadedModel:
        """A model whose vectors are projected and then scaled to length 1.

        :param projection: what is done to them.
        :raises SpecError: if the model cannot be changed in that way.
        """
        raise SpecError(
            f"{self.name} is a model whose vectors cannot be made smaller in its graph: leave `vectors` out"
        )

    @abstractmethod
    def reference(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """What the original computes.

        :param feeds: an array per input.
        :return: all outputs, in the order of `outputs` and with their dtypes.
        """

    @abstractmethod
    def examples(self) -> list[dict[str, NDArray[Any]]]:
        """Feeds that the model accepts, for comparing an export of a ``module`` with it."""

    @abstractmethod
    def weight_bytes(self) -> int:
        """Bytes of all its weights as they are stored, tables included."""

    @abstractmethod
    def torch_model(self) -> Model:
        """The model as a torch module, for the writers that trace one.

        :raises ModelError: if it cannot be one.
        """
