"""A graph whose products with constant matrices are in 8 or 4 bits, each row of activations quantised by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.body.grid import Grid, near_grid
from edgeemb.body.grids import Grids
from edgeemb.body.panels import fits_panels
from edgeemb.exporters.onnx.functions import DOMAIN, import_ops, linear_function
from edgeemb.exporters.onnx.linear import ACTIVATIONS, fuse_activations, multiply_panels
from edgeemb.exporters.onnx.nodes import NodeWriter, free_prefix
from edgeemb.exporters.onnx.products import multiply_blocks, multiply_columns
from edgeemb.models.onnx.file import inner_graphs


@dataclass(frozen=True)
class _Product:
    """A product of activations with a constant matrix.

    :param rows: name of the activations.
    :param grid: the matrix on its grid, transposed: codes int8[outputs, inputs].
    :param bias: float32[outputs] that is added to each row, or None.
    :param addend: name of a tensor that is added besides, or empty.
    :param reads: what it reads as constants.
    :param writes: outputs of its nodes; the last is the result.
    :param activation: name of the activation that makes the result, or empty.
    """

    rows: str
    grid: Grid
    bias: NDArray[np.float32] | None
    addend: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    activation: str = ""


def quantize_products(
    model: onnx.ModelProto,
    bits: int = 8,
    block: int = 0,
    grids: Grids | None = None,
    *,
    native: bool = True,
) -> None:
    """Put products in 8 or 4 bits in place of each MatMul and Gemm of the main graph whose second factor is a constant float32 matrix.

    They are `edgeemb.exporters.onnx.linear.multiply_panels`, or nodes that ONNX Runtime has: `edgeemb.exporters.onnx.products`. A constant that is
    added to a product is merged into it, and so is an activation; products of the same rows become one. A matrix that something else reads too, such
    as a tied table, keeps its float copy for that.

    :param model: the model to change, in op set 18 or above.
    :param bits: 8 or 4, for matrices of which `grids` says nothing; 0 leaves these in float.
    :param block: inputs of these that share a scale; 0 for all of an output.
    :param grids: grids that were chosen before.
    :param native: whether the op of our domain may be written.
    """
    graph = model.graph
    fuse_activations(model)
    conversion = _Conversion(graph, bits, block, grids or Grids(), native=native)
    for node in graph.node:
        conversion.convert(node)
    del graph.node[:]
    graph.node.extend(conversion.written.nodes)
    graph.initializer.extend(conversion.written.initializers)
    known = {name for node in graph.node for name in node.output} | {info.name for info in graph.input}
    for info in [info for info in graph.value_info if info.name not in known]:
        graph.value_info.remove(info)
    unused = conversion.replaced - _read(graph)
    for item in [item for item in graph.initializer if item.name in unused]:
        graph.initializer.remove(item)
    for info in [info for info in graph.input if info.name in unused]:
        graph.input.remove(info)
    names = sorted({node.op_type for node in graph.node if node.domain == DOMAIN})
    model.functions.extend(filter(None, map(linear_function, names)))
    import_ops(model)


class _Conversion:
    """The nodes of a graph, rewritten one by one."""

    def __init__(self, graph: onnx.GraphProto, bits: int, block: int, grids: Grids, *, native: bool) -> None:
        self.written = NodeWriter(free_prefix(graph, f"int{bits}"))
        self._bits, self._block, self._grids, self._native = bits, block, grids, native
        self._found: dict[tuple[str, tuple[int, ...], float], Grid | None] = {}
        #: What products read as floats.
        self.replaced: set[str] = set()
        self._constants = {item.name: item for item in graph.initializer}
        self._outputs = {info.name for info in graph.output}
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                self._users.setdefault(name, []).append(node)
        self._inner = {name for node in graph.node for inner in inner_graphs(node) for name in _read(inner)}
        #: Outputs of nodes that are written already, as part of another.
        self._done: set[str] = set()

    def convert(self, node: onnx.NodeProto) -> None:
        """Write a node, unchanged or in int8; a product is written together with all others of the same activations."""
        if node.output and node.output[0] in self._done:
            return
        product = self._product(node)
        if product is None:
            self.written.nodes.append(node)
        elif product.addend:  # which may be there only by now
            name = self._write([product])[0]
            self.written.op("Add", [name, product.addend], output=product.writes[-1])
        else:
            others = [other for other in map(self._product, self._users[product.rows]) if other is not None]
            like = _likeness(product)
            self._write([other for other in others if not other.addend and _likeness(other) == like])

    def _write(self, products: Sequence[_Product]) -> list[str]:
        grid = _joined([product.grid for product in products])
        sizes = [len(product.grid.codes) for product in products]
        biases = [
            np.zeros(size, np.float32) if product.bias is None else product.bias
            for size, product in zip(sizes, products, strict=True)
        ]
        bias = np.concatenate(biases)
        for product in products:
            self.replaced.update(product.reads)
            self._done.update(product.writes)
        if len(products) > 1:
            results = [product.writes[-1] for product in products]
            total = self._multiply(products[0], grid, bias, None)
            split = [total, self.written.constant(np.array(sizes))]
            self.written.nodes.append(
                helper.make_node("Split", split, results, name=f"{total}/Split", axis=-1)
            )
            return results
        output = None if products[0].addend else products[0].writes[-1]
        return [self._multiply(products[0], grid, bias, output)]

    def _multiply(self, product: _Product, grid: Grid, bias: NDArray[np.float32], output: str | None) -> str:
        if self._fits(grid):
            return multiply_panels(
                self.written, product.rows, grid, bias, activation=product.activation, output=output
            )
        write = multiply_columns if grid.bits == 8 else multiply_blocks
        return write(self.written, product.rows, grid, bias, output=output)

    def _fits(self, grid: Grid) -> bool:
        return self._native and fits_panels(grid)

    def _product(self, node: onnx.NodeProto) -> _Product | None:
        """What a node computes, if that is a product with a constant matrix."""
        if node.domain not in ("", "ai.onnx") or node.op_type not in ("MatMul", "Gemm"):
            return None
        rows, name = node.input[:2]
        matrix = self._constant(name)
        if matrix is None or matrix.ndim != 2 or not matrix.size:
            return None
        options = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        if options.get("transA", 0):
            return None
        if options.get("transB", 0):
            matrix = matrix.T
        matrix = np.float32(options.get("alpha", 1)) * matrix
        writes: tuple[str, ...] = (node.output[0],)
        added = node.input[2] if len(node.input) > 2 else ""
        factor = np.float32(options.get("beta", 1))
        if not added:
            added, total = self._sum(node.output[0], matrix.shape[1])
            writes += (total,) if total else ()
            factor = np.float32(1)
        grid = self._grid(name, matrix)
        if grid is None:
            return None
        bias = self._bias(added, matrix.shape[1])
        if added and bias is None:
            return _Product(rows, grid, None, added, (name,), writes) if factor == 1 else None
        activation = self._activation(writes[-1]) if self._fits(grid) else None
        return _Product(
            rows,
            grid,
            None if bias is None else factor * bias,
            "",
            (name, added) if added else (name,),
            writes if activation is None else (*writes, activation.output[0]),
            "" if activation is None else activation.op_type,
        )

    def _activation(self, result: str) -> onnx.NodeProto | None:
        """The only reader of a tensor, if that is an activation."""
        user = self._only_user(result)
        return user if user is not None and (user.domain, user.op_type) in ACTIVATIONS else None

    def _grid(self, name: str, matrix: NDArray[np.float32]) -> Grid | None:
        """The grid of a constant as a node uses it; None if it stays in float."""
        rows = np.ascontiguousarray(matrix.T)
        key = (name, rows.shape, float(rows.flat[0]))
        if key not in self._found:
            if self._grids.known(rows) or not self._bits:
                self._found[key] = self._grids.of(rows)
            else:
                self._found[key] = near_grid(rows, self._bits, self._block or len(matrix))
        return self._found[key]

    def _sum(self, product: str, outputs: int) -> tuple[str, str]:
        """The constant that the only reader of a product adds to each of its rows, and the name of the sum; empty where there is none."""
        user = self._only_user(product)
        if user is None or user.op_type != "Add":
            return "", ""
        other = next((name for name in user.input if name != product), "")
        return ("", "") if self._bias(other, outputs) is None else (other, str(user.output[0]))

    def _only_user(self, name: str) -> onnx.NodeProto | None:
        """The node that alone reads a tensor."""
        users = self._users.get(name, [])
        alone = len(users) == 1 and name not in self._outputs and name not in self._inner
        return users[0] if alone else None

    def _bias(self, name: str, outputs: int) -> NDArray[np.float32] | None:
        value = self._constant(name)
        return value if value is not None and value.shape == (outputs,) else None

    def _constant(self, name: str) -> NDArray[np.float32] | None:
        item = self._constants.get(name)
        if item is None or item.data_type != TensorProto.FLOAT:
            return None
        return np.asarray(numpy_helper.to_array(item), np.float32)


def _likeness(product: _Product) -> tuple[str, int, int, int]:
    """What products have in common that are computed as one."""
    grid = product.grid
    return product.activation, grid.bits, grid.block, grid.codes.shape[1]


def _joined(grids: Sequence[Grid]) -> Grid:
    """The outputs of several grids one after another."""
    return replace(
        grids[0],
        codes=np.concatenate([grid.codes for grid in grids]),
        scales=np.concatenate([grid.scales for grid in grids]),
    )


def _read(graph: onnx.GraphProto) -> set[str]:
    """Every value that a graph's nodes read, those of inner graphs included, and its outputs."""
    names = {name for node in graph.node for name in node.input} | {info.name for info in graph.output}
    return names.union(*(_read(inner) for node in graph.node for inner in inner_graphs(node)))
