"""A model of which only the best logits are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.models.base import LoadedModel, TensorInfo
from edgeemb.tables.top import TOKENS, HeadSpec, best_of

if TYPE_CHECKING:
    from edgeemb.models.torch.model import Model


@dataclass(frozen=True, kw_only=True)
class TopModel(LoadedModel):
    """What an export with a head is compared with. The other parameters are those of `inner`, but for its outputs.

    :param inner: the model, which gives logits over a vocabulary.
    :param top: how many of the best are wanted.
    """

    inner: LoadedModel
    top: int

    @property
    def ranking(self) -> bool:
        """Yes."""
        return True

    @property
    def runtimes(self) -> tuple[str, ...]:
        """Those of the model."""
        return self.inner.runtimes

    def table_weight(self, alias: str) -> NDArray[np.float32]:
        """The rows of a table, float32[rows, dim]."""
        return self.inner.table_weight(alias)

    def with_rows(self, alias: str, rows: NDArray[np.float32], *, shared: bool = False) -> TopModel:
        """A copy that has other rows in a table: see `LoadedModel.with_rows`."""
        return replace(self, inner=self.inner.with_rows(alias, rows, shared=shared))

    def reference(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The best logits float32[..., top] and their tokens int64[..., top]."""
        return list(best_of(np.asarray(self.inner.reference(feeds)[0], np.float32), self.top))

    def examples(self) -> list[dict[str, NDArray[Any]]]:
        """Those of the model."""
        return self.inner.examples()

    def weight_bytes(self) -> int:
        """Bytes of the model's weights."""
        return self.inner.weight_bytes()

    def torch_model(self) -> Model:
        """The model as a torch module, with all of its logits."""
        return self.inner.torch_model()


def with_head(model: LoadedModel, spec: HeadSpec) -> TopModel:
    """A model of which only the best logits are wanted.

    :param model: a model whose only output are logits over the vocabulary of one of its tables.
    :param spec: how many.
    :raises SpecError: if it gives something else, or fewer than are wanted.
    """
    logits = model.outputs[0]
    tokens = logits.axes[-1] if len(logits.axes) > 1 else None
    weights = model.task is not None and not (
        model.task.per_vocabulary and model.task.outputs == (logits.name,) == ("logits",)
    )
    known = tokens in {table.rows for table in model.tables}
    if weights or len(model.outputs) != 1 or logits.dtype != "float32" or not known:
        raise SpecError(f"{model.name} does not give logits over a vocabulary: leave `head` out")
    assert isinstance(tokens, int)
    if max(spec.top, spec.shortlist) > tokens:
        raise SpecError(f"head '{spec}' asks for more than the {tokens} tokens of {model.name}")
    given = {field.name: getattr(model, field.name) for field in fields(LoadedModel)}
    axes = (*logits.axes[:-1], spec.top)
    given["outputs"] = (replace(logits, axes=axes), TensorInfo(TOKENS, "int64", axes))
    return TopModel(**given, inner=model, top=spec.top)
