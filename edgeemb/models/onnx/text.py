"""How texts go through a finished graph: which output is their vector, and what is appended to the graph to get one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tokenizers import Tokenizer

from edgeemb.errors import ModelError
from edgeemb.models.base import POOLING_MODES, TensorInfo
from edgeemb.models.onnx.opsets import moved, opset_of
from edgeemb.models.onnx.places import Belongings
from edgeemb.models.onnx.pooling import OPSET as POOLING_OPSET
from edgeemb.models.onnx.pooling import with_vector
from edgeemb.models.onnx.roles import ids_first, takes_ids, tensor_info, token_output, vector_first
from edgeemb.models.onnx.tables import MASKS
from edgeemb.native.onnxruntime import RUNTIME_ERRORS, open_session
from edgeemb.text.feeds import text_feeds
from edgeemb.text.sentences import sentences
from edgeemb.text.tokenizer import truncate


class TextForm:
    """How texts go through a graph, to which nodes are appended if their tokens have to be pooled.

    :param proto: the model with its weights.
    :param source: what the user called it.
    :param path: its file if that holds exactly this graph, or None.
    :param belongings: its tokenizer, and what else is said of it.
    :param remarks: what was done to the file already.
    """

    def __init__(
        self,
        proto: onnx.ModelProto,
        source: str,
        path: Path | None,
        belongings: Belongings,
        remarks: list[str],
    ) -> None:
        self.proto = proto
        self.source = source
        self.path = path
        self.belongings = belongings
        self.remarks = remarks
        self.pooling: str | None = None
        self.normalize = False
        held = {item.name for item in proto.graph.initializer}
        self.inputs = ids_first(
            [tensor_info(info, "input") for info in proto.graph.input if info.name not in held]
        )
        self.outputs = tuple(tensor_info(info, f"{source}: output") for info in proto.graph.output)
        text = belongings.tokenizer is not None and takes_ids(self.inputs)
        if text:
            self.outputs = _with_widths(self)
        self.kind, ordered = vector_first(self.outputs)
        self.vector = ordered[0]
        # Whoever runs the graph on arrays of his own finds its outputs in their own order.
        if text:
            self.outputs = ordered

    def pool(self, asked: tuple[str, ...], normalize: bool) -> None:
        """Add the requested pooling, or the one that a graph needs which gives only token vectors.

        :param asked: modes; empty for none.
        :param normalize: whether vectors get length 1.
        :raises ModelError: if there is no such mode, or nothing to pool.
        """
        unknown = [mode for mode in asked if mode not in POOLING_MODES]
        if unknown:
            raise ModelError(f"pooling '{unknown[0]}' is not known: use {', '.join(POOLING_MODES)}")
        tokens = token_output(self.outputs)
        mask = next((info for info in self.inputs if MASKS.fullmatch(info.name)), None)
        modes = asked
        if not asked and self.kind is None and tokens is not None and mask is not None:
            modes, normalize = self.belongings.pooling, normalize or self.belongings.normalize
        if not modes and not normalize:
            return
        pooled = tokens if modes else self.vector if self.kind == "embedding" else None
        if pooled is None or mask is None:
            lacks = "no input that is a mask" if mask is None else "no output to which it could be applied"
            what = f"pooling {'+'.join(modes)}" if modes else "normalising"
            raise ModelError(f"{self.source} has {lacks}, so {what} is not possible: leave it out")
        opset = opset_of(self.proto)
        if opset is None or opset < POOLING_OPSET:
            self.proto = moved(self.proto, POOLING_OPSET, self.source)
            self.remarks.append(
                f"the model was raised from op set {opset} to {POOLING_OPSET}, which the pooling needs"
            )
        self.proto, name = with_vector(self.proto, pooled, mask, modes=modes, normalize=normalize)
        self.path = None
        dim = pooled.axes[-1]
        width = dim * max(1, len(modes)) if isinstance(dim, int) else f"{name}_1"
        first = TensorInfo(name, "float32", (mask.axes[0], width))
        self.outputs = (first, *self.outputs)
        self.kind = "embedding" if isinstance(width, int) else None
        self.pooling, self.normalize = "+".join(modes) or None, normalize

    def fields(self, inputs: Sequence[TensorInfo], length: int) -> dict[str, Any]:
        """Fields of a model that takes text, or that is compared on it.

        :param inputs: what the model takes, with the bounds of ids.
        :param length: tokens of the longest text.
        :raises ModelError: if the tokenizer gives ids that have no row.
        """
        tokenizer = self.belongings.tokenizer
        fields: dict[str, Any] = {"kind": "module"}
        if tokenizer is None or not takes_ids(inputs):
            return fields
        rows = inputs[0].rows
        if rows is not None:
            tokenizer = tokenizer.within(rows, f"{self.source}", "give the model's own with `tokenizer`")
        free = not any(isinstance(info.axes[0], int) for info in (*inputs, self.outputs[0]))
        if self.kind is not None and free:
            labels = self.belongings.labels if self.kind == "classification" else ()
            fitting = len(labels) == self.outputs[0].axes[-1]
            return {
                "kind": self.kind,
                "tokenizer_json": tokenizer.tokenizer.to_str(),
                "max_length": length,
                "pooling": self.pooling,
                "normalize": self.normalize,
                "prompt": self.belongings.prompt,
                "prompts": self.belongings.prompts,
                "labels": labels if fitting else (),
            }
        if free and token_output(self.outputs) is not None:
            self.remarks.append(
                "the model gives a vector for each token, so the bundle takes no text: export it with pooling, such as mean, to get one of each text"
            )
        tokenizer_copy = Tokenizer.from_str(tokenizer.tokenizer.to_str())
        truncate(tokenizer_copy, length)
        encodings = tokenizer_copy.encode_batch(sentences())
        fields["example_texts"] = tuple(tuple(encoding.ids) for encoding in encodings if encoding.ids)
        return fields


def _with_widths(text: TextForm) -> tuple[TensorInfo, ...]:
    """Outputs whose last axis has a name by its size, where it is the same for texts of any length."""
    unknown = [info for info in text.outputs if len(info.axes) in (2, 3) and isinstance(info.axes[-1], str)]
    if not unknown:
        return text.outputs
    shapes: list[dict[str, tuple[int, ...]]] = []
    try:
        session = open_session(text.path or text.proto.SerializeToString())
        for length in (5, 7):
            ids = np.ones((2, length), np.int64)
            feeds = text_feeds([info.name for info in text.inputs], ids, ids)
            given = {info.name: feeds[info.name].astype(info.dtype) for info in text.inputs}
            results = session.run([info.name for info in unknown], given)
            shapes.append({info.name: value.shape for info, value in zip(unknown, results, strict=True)})
    except RUNTIME_ERRORS:
        return text.outputs
    one, other = shapes
    known = {name: shape[-1] for name, shape in one.items() if shape[-1] == other[name][-1] and shape[0] == 2}
    return tuple(
        replace(info, axes=(*info.axes[:-1], known[info.name])) if info.name in known else info
        for info in text.outputs
    )
