"""Lookup programs in torch, and the two fused ops: equal to the numpy reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeemb.tables import Table
from edgeemb.tables.program import CodebookLookup, Ids, QuantizedLookup, walk
from edgeemb.torch_tables.module import QuantizedRows, TableModule, fused, portable
from tests.fixtures.tables import DIM, ROWS, SPECS, table_of


@pytest.mark.parametrize("lookups", [portable, fused], ids=["portable", "fused"])
@pytest.mark.parametrize("spec", SPECS)
def test_torch_computes_the_rows_of_the_numpy_reference(
    spec: str, lookups: Callable[..., torch.nn.Module]
) -> None:
    table = table_of(spec)
    ids = np.random.default_rng(1).integers(0, ROWS, (3, 7))
    ids[0, :2] = 0, ROWS - 1
    rows = TableModule(table, lookups)(torch.from_numpy(ids)).numpy()
    assert rows.dtype == np.float32
    if not table.exact:
        np.testing.assert_allclose(rows, table.rows(ids), rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_array_equal(rows.view(np.uint32), table.rows(ids).view(np.uint32))


@pytest.mark.parametrize("wrong", [-1, ROWS, 2**40])
@pytest.mark.parametrize("spec", SPECS)
def test_an_id_out_of_bounds_is_an_error(spec: str, wrong: int) -> None:
    with pytest.raises(IndexError):
        TableModule(table_of(spec))(torch.tensor([0, wrong]))


@settings(deadline=None, max_examples=60)
@given(
    bits=st.sampled_from([8, 4, 2, 1]),
    blocks=st.integers(1, 4),
    block=st.integers(1, 24),
    planes=st.integers(1, 3),
    shape=st.lists(st.integers(0, 4), max_size=3),
    half=st.booleans(),
)
def test_the_quantized_op_agrees_with_numpy_for_any_layout(
    bits: int, blocks: int, block: int, planes: int, shape: list[int], half: bool
) -> None:
    dim = blocks * block
    random = np.random.default_rng(dim)
    codes = random.integers(0, 256, (9, planes * -(-dim * bits // 8)), dtype=np.uint8)
    scales = random.standard_normal((9, planes * blocks)).astype(np.float16 if half else np.float32)
    ids = random.integers(0, 9, shape)
    lookup = QuantizedLookup(Ids(), "codes", "scales", bits, dim, block, planes)
    table = Table(table_of("int8").spec, (9, dim), {"codes": codes, "scales": scales}, lookup)
    tensors = torch.from_numpy(codes), torch.from_numpy(scales)
    rows = torch.ops.edgeemb.quantized_lookup(torch.from_numpy(ids), *tensors, bits, dim, block, planes)
    assert rows.shape == (*shape, dim)
    np.testing.assert_array_equal(rows.numpy(), table.rows(ids))


@pytest.mark.parametrize("spec", ["int4:block=32", "pq:m=24", "rvq:m=4"])
def test_the_ops_keep_the_rules_of_torch_library(spec: str) -> None:
    part = fused(
        table_of(spec),
        next(
            node
            for node in walk(table_of(spec).program)
            if isinstance(node, QuantizedLookup | CodebookLookup)
        ),
    )
    ids = torch.tensor([[1, 2, 3]])
    arguments: tuple[Any, ...]
    if isinstance(part, QuantizedRows):
        node, op = part.node, torch.ops.edgeemb.quantized_lookup
        arguments = (ids, part.codes, part.scales, node.bits, node.dim, node.block, node.planes)
    else:
        op, arguments = torch.ops.edgeemb.codebook_lookup, (ids, part.codes, part.codebooks, part.additive)
    torch.library.opcheck(op.default, arguments, test_utils=["test_schema", "test_faketensor"])
    out = torch.empty(op(*arguments).shape)
    assert op.out(*arguments, out=out) is out
    assert torch.equal(out, op(*arguments))


def test_rows_can_be_trained_through_the_portable_form() -> None:
    module = TableModule(table_of("qr:rows=64"))
    module.requires_grad_(True)
    module(torch.tensor([1, 2])).square().sum().backward()
    grads = [parameter.grad for parameter in module.parameters() if parameter.is_floating_point()]
    assert any(grad is not None and bool(grad.abs().sum() > 0) for grad in grads)


def test_exporting_keeps_one_node_for_a_fused_lookup() -> None:
    program = torch.export.export(TableModule(table_of("int4:block=32"), fused), (torch.tensor([[1, 2]]),))
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert targets == ["edgeemb.quantized_lookup.default"]
    assert program.module()(torch.tensor([[5, 6]])).shape == (1, 2, DIM)
