"""What the inputs and outputs of a finished model are, by their names and shapes."""

from __future__ import annotations

import re
from collections.abc import Sequence

import onnx

from edgeemb.errors import ModelError
from edgeemb.models.base import TensorInfo
from edgeemb.models.onnx.tables import IDS, MASKS, POSITIONS, TYPES, dtype_name

#: Names of outputs that hold a vector per text, the surest first; what the pooler of a BERT gives is none where there are token vectors.
_VECTORS = (
    re.compile(r"sentence_?embeddings?(:\d+)?", re.I),
    re.compile(r"(text_?)?(embeds?|embeddings?)(:\d+)?", re.I),
)
_LOGITS = re.compile(r"(logits|scores|probabilities)(:\d+)?", re.I)
_POOLER = re.compile(r"pooler_?output(:\d+)?|pooled_?output(:\d+)?", re.I)
_TOKENS = (
    re.compile(r"token_?embeddings?(:\d+)?", re.I),
    re.compile(r"last_?hidden_?states?(:\d+)?", re.I),
)


def tensor_info(info: onnx.ValueInfoProto, what: str) -> TensorInfo:
    """An input or output of a graph.

    :param info: the value.
    :param what: what to call it in an error.
    :raises ModelError: if it has no shape, or is not a tensor of numbers.
    """
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        raise ModelError(
            f"{what} {info.name} has no shape: export the model with the shapes of its inputs and outputs"
        )
    axes = tuple(
        axis.dim_param or (axis.dim_value if axis.dim_value > 0 else f"{info.name}_{place}")
        for place, axis in enumerate(kind.shape.dim)
    )
    return TensorInfo(info.name, dtype_name(kind.elem_type, f"{what} {info.name}"), axes)


def ids_first(inputs: Sequence[TensorInfo]) -> tuple[TensorInfo, ...]:
    """Inputs in the order that a session takes: ids, mask, the rest. They are fed by name.

    :param inputs: in any order.
    """
    order = {
        info.name: 0 if IDS.fullmatch(info.name) else 1 if MASKS.fullmatch(info.name) else 2
        for info in inputs
    }
    return tuple(sorted(inputs, key=lambda info: order[info.name]))


def takes_ids(inputs: Sequence[TensorInfo]) -> bool:
    """Whether ids and mask are all that a text needs: token types are then zero and positions counted.

    :param inputs: as `ids_first` orders them.
    """
    if len(inputs) < 2 or any(len(info.axes) != 2 for info in inputs):
        return False
    known = all(TYPES.fullmatch(info.name) or POSITIONS.fullmatch(info.name) for info in inputs[2:])
    return bool(IDS.fullmatch(inputs[0].name) and MASKS.fullmatch(inputs[1].name) and known)


def token_output(outputs: Sequence[TensorInfo]) -> TensorInfo | None:
    """The output that holds a vector per token; None if there is none or it is not clear which.

    :param outputs: of the model.
    """
    wide = [info for info in outputs if len(info.axes) == 3 and not _LOGITS.fullmatch(info.name)]
    named = (info for pattern in _TOKENS for info in wide if pattern.fullmatch(info.name))
    return next(named, wide[0] if len(wide) == 1 else None)


def vector_first(outputs: Sequence[TensorInfo]) -> tuple[str | None, tuple[TensorInfo, ...]]:
    """What a text becomes, and the outputs with that first.

    :param outputs: of the model.
    :return: ``embedding`` or ``classification`` with the outputs reordered; None with them as they are where a text gives no one vector.
    """
    flat = [info for info in outputs if len(info.axes) == 2 and isinstance(info.axes[1], int)]
    if token_output(outputs) is not None:
        flat = [info for info in flat if not _POOLER.fullmatch(info.name)]
    if not flat:
        return None, tuple(outputs)
    named = [info for pattern in (*_VECTORS, _LOGITS) for info in flat if pattern.fullmatch(info.name)]
    first = (named or flat)[0]
    others = tuple(info for info in outputs if info is not first)
    return "classification" if _LOGITS.fullmatch(first.name) else "embedding", (first, *others)
