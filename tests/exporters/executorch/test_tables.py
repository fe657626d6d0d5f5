"""Every codec in ExecuTorch, in both lowerings: the rows of the numpy reference."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgeemb.exporters.executorch.policy import BODIES, POLICY, lookup_policy
from edgeemb.exporters.executorch.tables import lookups_for
from edgeemb.exporters.executorch.writer import _lower, _trace
from edgeemb.native.kernels import quantized_lookup
from edgeemb.runtimes.executorch.runner import Program, RunnerError
from edgeemb.tables.program import Ids, QuantizedLookup
from edgeemb.torch_tables.module import TableModule
from tests.fixtures.tables import ROWS, SPECS, table_of

IDS = np.random.default_rng(3).integers(0, ROWS, (1, 9))
IDS[0, :2] = 0, ROWS - 1


class AllTables(torch.nn.Module):
    """A table of each spec, side by side: one program shows them all.

    :param ops: how their lookups are lowered.
    """

    def __init__(self, ops: str) -> None:
        super().__init__()
        self.tables = torch.nn.ModuleList(TableModule(table_of(spec), lookups_for(ops)) for spec in SPECS)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """:param ids: int64[1, length]. :return: float32[1, length, DIM] for each spec."""
        return tuple(table(ids) for table in self.tables)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A program with all tables, by lowering."""
    paths = {}
    for ops in ("builtin", "custom"):
        shapes = ({1: torch.export.Dim("length", min=1, max=16)},)
        edge = _lower(
            "tables",
            _trace("tables", AllTables(ops), (torch.ones((1, 3), dtype=torch.int64),), shapes),
            quantized=False,
        )
        paths[ops] = tmp_path_factory.mktemp("tables") / f"{ops}.pte"
        paths[ops].write_bytes(edge.to_executorch().buffer)
    return paths


@cache
def rows_of(path: Path) -> list[NDArray[np.float32]]:
    program = Program(path, threads=1)
    rows = program.run([IDS])
    program.close()
    return rows


@pytest.mark.parametrize("ops", ["builtin", "custom"])
@pytest.mark.parametrize("spec", SPECS)
def test_a_table_gives_the_rows_of_the_reference(spec: str, ops: str, programs: dict[str, Path]) -> None:
    table = table_of(spec)
    rows = rows_of(programs[ops])[SPECS.index(spec)]
    if not table.exact:
        # Sums of a matrix product are ordered differently.
        np.testing.assert_allclose(rows, table.rows(IDS), rtol=1e-6, atol=2e-6)
    else:
        np.testing.assert_array_equal(rows.view(np.uint32), table.rows(IDS).view(np.uint32))


@pytest.mark.parametrize("spec", ["int8", "int4:block=32", "int2:block=16", "binary:block=16,planes=2"])
def test_our_op_gives_the_bits_that_every_runtime_with_the_kernel_gives(
    spec: str, programs: dict[str, Path]
) -> None:
    table = table_of(spec)
    node = table.program
    assert isinstance(node, QuantizedLookup)
    codes, scales = table.arrays[node.codes], table.arrays[node.scales]
    want = quantized_lookup(IDS[0], codes, scales, node.bits, node.dim, node.block, node.planes)
    got = rows_of(programs["custom"])[SPECS.index(spec)][0]
    np.testing.assert_array_equal(got.view(np.uint32), want.view(np.uint32))


@pytest.mark.parametrize("ops", ["builtin", "custom"])
@pytest.mark.parametrize("wrong", [-1, ROWS, 2**40])
def test_an_id_out_of_bounds_is_an_error_and_no_crash(
    wrong: int, ops: str, programs: dict[str, Path]
) -> None:
    program = Program(programs[ops], threads=1)
    with pytest.raises(RunnerError):
        program.run([np.array([[0, wrong]])])
    assert len(program.run([IDS])) == len(SPECS)
    program.close()


@pytest.mark.parametrize("bits", [8, 4, 2, 1])
@pytest.mark.parametrize("ops", ["builtin", "custom"])
def test_the_policy_decides_for_every_width(bits: int, ops: str) -> None:
    even = QuantizedLookup(Ids(), "codes", "scales", bits, 32, 32)
    assert lookup_policy(even, ops) == getattr(POLICY[f"quantized{bits}"], ops)
    odd = QuantizedLookup(Ids(), "codes", "scales", bits, 33, 33)
    assert lookup_policy(odd, "custom") == "fused"
    assert lookup_policy(odd, "builtin") != "fused"


def test_the_policy_names_the_bodies_that_can_be_written() -> None:
    assert set(BODIES) == {"fp32", "int8", "int4"}
