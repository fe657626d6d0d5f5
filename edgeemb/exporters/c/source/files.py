"""The text of the C files of an export: `model.h`, `model.c` and the arrays of weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.body.panels import totals
from edgeemb.exporters.c.arena import Plan
from edgeemb.exporters.c.encoder import Encoder, Layer, Linear, Norm
from edgeemb.exporters.c.input import Input
from edgeemb.exporters.c.packing import Packing, fill_up
from edgeemb.exporters.c.pieces.attended import with_attended
from edgeemb.exporters.c.result import Result
from edgeemb.exporters.c.source.template import (
    CALLS,
    CHECKED,
    ENCODER,
    FINISH,
    HEADER,
    MANY,
    POSITION,
    TEXT,
    TYPED,
    fill_in,
)
from edgeemb.exporters.escape import comment


@dataclass
class Arrays:
    """The constant arrays of a model, filled while its structures are written.

    :param prefix: prefix of their symbols.
    :param packing: how weights are stored, and to what multiple everything per output is padded.
    :param weights: pieces of the int8 array.
    :param floats: pieces of the float array.
    :param sums: pieces of the array of sums of weights.
    :param tables: pieces of the byte array of the tables.
    :param known: where pieces are by what they hold: what several layers share is stored once.
    """

    prefix: str
    packing: Packing
    weights: list[NDArray[np.int8]] = field(default_factory=list)
    floats: list[NDArray[np.float32]] = field(default_factory=list)
    sums: list[NDArray[np.int32]] = field(default_factory=list)
    tables: list[bytes] = field(default_factory=list)
    known: dict[tuple[str, bytes], str] = field(default_factory=dict)

    def add_weights(self, codes: NDArray[np.int8]) -> str:
        """Append int8 weights; gives the C expression of their address."""
        return self._add("weights", self.weights, codes)

    def add_floats(self, values: NDArray[np.float32]) -> str:
        """Append floats of an output each; gives the C expression of their address."""
        return self._add("floats", self.floats, fill_up(values, self.packing.lanes))

    def add_sums(self, values: NDArray[np.int32]) -> str:
        """Append sums of weights; gives the C expression of their address."""
        return self._add("sums", self.sums, fill_up(values, self.packing.lanes))

    def _add(self, name: str, pieces: list[NDArray[Any]], values: NDArray[Any]) -> str:
        key = (name, hashlib.blake2b(values.tobytes()).digest())
        if key not in self.known:
            self.known[key] = f"{self.prefix}_{name} + {sum(piece.size for piece in pieces)}"
            pieces.append(values)
        return self.known[key]

    def add_table(self, data: bytes) -> str:
        """Append an array of a table, aligned to a word; gives the C expression of its address."""
        key = ("tables", hashlib.blake2b(data).digest())
        if key not in self.known:
            self.known[key] = f"{self.prefix}_tables + {sum(map(len, self.tables))}"
            self.tables.append(data + b"\0" * (-len(data) % 4))
        return self.known[key]

    def blobs(self) -> dict[str, NDArray[Any]]:
        """The whole arrays by the end of their symbol, int8, float32, int32 and uint8; those that hold nothing are left out."""
        pieces: dict[str, list[NDArray[Any]]] = {
            "weights": [*self.weights],
            "floats": [*self.floats],
            "sums": [*self.sums],
            "tables": [np.frombuffer(data, np.uint8) for data in self.tables],
        }
        return {name: np.concatenate(held) for name, held in pieces.items() if held}


def linear_text(layer: Linear, arrays: Arrays) -> str:
    """Initialiser of an `eem_linear`.

    :param layer: the layer, with a grid.
    :param arrays: where its numbers go.
    """
    assert layer.grid is not None
    outputs, inputs = layer.weight.shape
    if layer.block:
        weights = arrays.add_weights(arrays.packing.pack_fours(layer.grid))
        scale = sums = "NULL"
        bias, all_of_it = arrays.add_floats(layer.bias), arrays.add_floats(totals(layer.grid))
    else:
        codes = layer.grid.codes
        weights = arrays.add_weights(arrays.packing.pack(codes))
        scale, bias = arrays.add_floats(layer.grid.scales[:, 0]), arrays.add_floats(layer.bias)
        sums, all_of_it = arrays.add_sums(codes.sum(axis=1, dtype=np.int32)), "NULL"
    return f"{{{weights}, {scale}, {bias}, {sums}, {all_of_it}, {inputs}, {outputs}, {layer.block}}}"


def norm_text(norm: Norm, arrays: Arrays) -> str:
    """Initialiser of an `eem_norm`.

    :param norm: the normalisation.
    :param arrays: where its numbers go.
    """
    gain, bias = (
        ("NULL", "NULL") if norm.plain else (arrays.add_floats(norm.gain), arrays.add_floats(norm.bias))
    )
    scale = "NULL" if norm.scale is None else arrays.add_floats(norm.scale)
    return f"{{{gain}, {bias}, {scale}, {float_text(norm.epsilon)}, {len(norm.gain)}}}"


def float_text(value: float) -> str:
    """A C99 literal of exactly this float32.

    :param value: any finite number; it is rounded to float32.
    """
    return f"{float(np.float32(value)).hex()}f"


#: Initialiser of an `eem_linear` that is not there.
_NO_LINEAR = "{NULL, NULL, NULL, NULL, NULL, 0, 0, 0}"


def layer_text(layer: Layer, arrays: Arrays, capacity: int) -> str:
    """Initialiser of an `eem_layer`.

    :param layer: the layer.
    :param arrays: where its numbers go.
    :param capacity: tokens of the longest text, padded.
    """
    turned = None if layer.rotation is None else layer.rotation(capacity)
    parts = [
        *(linear_text(part, arrays) for part in (layer.query, layer.key, layer.value, layer.output)),
        norm_text(layer.attention_norm, arrays),
        linear_text(layer.up, arrays),
        _NO_LINEAR if layer.gate is None else linear_text(layer.gate, arrays),
        linear_text(layer.down, arrays),
        norm_text(layer.mlp_norm, arrays),
        layer.activation,
        str(int(layer.before)),
        "NULL" if turned is None else arrays.add_floats(turned.reshape(-1)),
        "UINT32_MAX" if layer.window is None else str(layer.window),
    ]
    return "    {\n" + "".join(f"        {part},\n" for part in parts) + "    }"


def header_text(
    prefix: str,
    name: str,
    sizes: Mapping[str, int],
    given: Input,
    result: Result,
    more: str,
) -> str:
    """`model.h`.

    :param prefix: prefix of the symbols.
    :param name: name of the model.
    :param sizes: ``tokens``, ``rows``, ``outputs``, ``layers``, ``arena_bytes``, ``flash_bytes``, and what the input has beside them.
    :param given: what goes in.
    :param result: what comes out.
    :param more: further declarations.
    """
    upper = prefix.upper()
    text = given.text_api + result.text_api if given.tokenize else ""
    return (
        HEADER.replace("@TEXT@", given.typed_api + text + more)
        .replace("@NUMBERS@", result.numbers_api)
        .replace("@RESULT@", result.macros)
        .replace("@MANY@", MANY if result.batch else "")
        .replace("@RUN@", result.run)
        .replace("@BATCH@", result.batch)
        .replace("@INPUT@", given.macros)
        .replace("@WHAT@", given.what)
        .replace("@TYPE@", given.type)
        .replace("@TOKENS@", given.name)
        .replace("@UPPER@", upper)
        .replace("@lower@", prefix)
        .replace(
            "@SIZES@", "\n".join(f"#define {upper}_{key.upper()} {value}u" for key, value in sizes.items())
        )
        .replace("@NAME@", comment(name))
    )


def encoder_text(
    encoder: Encoder,
    arrays: Arrays,
    plan: Plan,
    functions: list[str],
    capacity: int,
    given: Input,
    result: Result,
    prompt: str = "",
    relative: NDArray[np.float32] | None = None,
    filled: bool = False,
) -> str:
    """`model.c` of an encoder.

    :param encoder: the model.
    :param arrays: where the numbers go.
    :param plan: the arena.
    :param functions: the two functions that write a row of the word and of the position table.
    :param capacity: tokens that the attention's memory holds.
    :param given: what goes in.
    :param result: what comes out.
    :param prompt: what the model expects in front of each text.
    :param relative: float32[heads, 2 * capacity] that is added to scores, by the distance of key and query plus capacity - 1; None for nothing.
    :param filled: whether texts may end with tokens to which no other attends.
    """
    layers = ",\n".join(layer_text(layer, arrays, capacity) for layer in encoder.layers)
    head = [linear_text(dense.linear, arrays) for dense in encoder.head]
    types = "NULL" if encoder.types is None else arrays.add_floats(encoder.types.reshape(-1))
    widen = (
        ""
        if encoder.widen is None
        else f"static const eem_linear widen = {linear_text(encoder.widen, arrays)};\n"
    )
    norms = {"final_norm": encoder.final}
    norms |= {f"head_norm_{number}": dense.norm for number, dense in enumerate(encoder.head)}
    pieces = arrays.packing.pieces(encoder)
    if filled:
        pieces = with_attended(pieces)
    values = {
        **pieces,
        "compute": FINISH + pieces["compute"],
        "word": given.row,
        "functions": "\n".join(functions),
        "layers": layers,
        "count": str(len(encoder.layers)),
        "norm": norm_text(encoder.norm, arrays),
        "norms": "".join(
            f"static const eem_norm {name} = {norm_text(norm, arrays)};\n"
            for name, norm in norms.items()
            if norm is not None
        ),
        "position": "" if encoder.position is None else POSITION,
        "head": f"static const eem_linear head[{len(head)}] = {{\n    " + ",\n    ".join(head) + "\n};\n"
        if head
        else "",
        "dim": str(encoder.dim),
        "heads": str(encoder.heads),
        "size": str(encoder.dim // encoder.heads),
        "capacity": str(capacity),
        "temperature": float_text(encoder.temperature),
        "types": types,
        "widen": widen,
        "width": str(encoder.width),
        "relative": "NULL" if relative is None else arrays.add_floats(relative.reshape(-1)),
        "first": str(encoder.first_position),
    }
    return model_text(ENCODER, values, arrays.prefix, plan, given, result, prompt)


def model_text(
    model: str,
    values: Mapping[str, str],
    prefix: str,
    plan: Plan,
    given: Input,
    result: Result,
    prompt: str = "",
) -> str:
    """`model.c`.

    :param model: what stands in front of the functions that `model.h` declares.
    :param values: what its placeholders, and those of the functions that depend on it, stand for.
    :param prefix: prefix of the symbols.
    :param plan: the arena.
    :param given: what goes in.
    :param result: what comes out.
    :param prompt: what the model expects in front of each text.
    """
    every = {
        "text": TEXT if given.tokenize else "",
        "run_text": result.text,
        "typed": TYPED if given.typed else "",
        "numbers": result.numbers,
        "advance": result.advance,
        # What other calls do with the rows belongs to the last part of an inference.
        "ended": "" if result.calls else "    EEM_MARK();\n",
        **values,
        "include": given.include,
        "vocabulary": given.vocabulary,
        "type": given.type,
        "step": given.step,
        "declare": given.declare,
        "checks": given.checks,
        "tokenize": given.tokenize,
        "in_arena": given.in_arena,
        "spans": result.spans,
        "count_at": result.count,
        "prompt": ", ".join(map(str, [*prompt.encode("utf-8"), 0])),
        "prefix": prefix,
        "UPPER": prefix.upper(),
        **{f"at_{name}": str(offset) for name, offset in plan.offsets.items()},
    }
    return fill_in(model + "\n" + CHECKED + (result.calls or CALLS), every)
