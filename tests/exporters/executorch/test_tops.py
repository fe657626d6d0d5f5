"""The best tokens alone in ExecuTorch: our op over a packed table, and topk behind other logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeemb.errors import ExportError
from edgeemb.exporters.executorch.report import delegation
from edgeemb.exporters.executorch.tables import lookups_for
from edgeemb.exporters.executorch.tops import keep_best
from edgeemb.exporters.executorch.writer import _edge
from edgeemb.runtimes.executorch.runner import Program
from edgeemb.tables.logits import quantized_products
from edgeemb.tables.shortlist import fit_shortlist, shortlist_products
from edgeemb.tables.top import HeadSpec, best_of
from edgeemb.torch_tables.heads import TiedLayer
from edgeemb.torch_tables.module import TableModule
from tests.fixtures.tables import DIM, ROWS, table_of

TOP, CANDIDATES = 7, 30
ALL = HeadSpec(TOP)
MOST = 40
_RANDOM = np.random.default_rng(5)
HIDDEN = _RANDOM.standard_normal((1, MOST, DIM)).astype(np.float32)
BIAS = _RANDOM.standard_normal(ROWS).astype(np.float32)


class Head(nn.Module):
    """An output layer over a table.

    :param spec: of the table.
    :param ops: how it is lowered.
    :param bias: float32[V], or None.
    """

    def __init__(self, spec: str, ops: str, bias: Tensor | None) -> None:
        super().__init__()
        table = table_of(spec)
        self.rows = TableModule(table, lookups_for(ops))
        self.layer = TiedLayer(table, self.rows, None if bias is None else nn.Parameter(bias))

    def forward(self, hidden: Tensor) -> Tensor:
        """:param hidden: float32[1, n, D]. :return: float32[1, n, V]."""
        logits: Tensor = self.layer(hidden)
        return logits


def best(
    spec: str, ops: str, bias: Tensor | None, path: Path, choice: HeadSpec = ALL
) -> tuple[Any, list[str]]:
    """What a program gives, and the operators that the runtime runs."""
    head = Head(spec, ops, bias)
    keep_best(head, choice, [table_of(spec)])
    shapes = ({1: torch.export.Dim("length", min=1, max=MOST)},)
    done = _edge("head", head, ((torch.from_numpy(HIDDEN),), shapes), quantized=False).to_executorch()
    path.write_bytes(done.buffer)
    program = Program(path, threads=1)
    found = program.run([HIDDEN])
    program.close()
    return found, list(delegation(done).left)


@pytest.mark.parametrize("bias", [None, BIAS], ids=["without a bias", "with a bias"])
def test_our_op_gives_the_bits_of_the_best_products(bias: Any, tmp_path: Path) -> None:
    table = table_of("int4:block=32")
    logits = quantized_products(HIDDEN[0], table.arrays["codes"], table.arrays["scales"], 4, 32)
    wanted = best_of(logits if bias is None else logits + bias, TOP)
    given = None if bias is None else torch.from_numpy(bias)
    found, operators = best("int4:block=32", "custom", given, tmp_path / "model.pte")
    np.testing.assert_array_equal(found[0][0].view(np.uint32), wanted[0].view(np.uint32))
    np.testing.assert_array_equal(found[1][0], wanted[1])
    arrays = (torch.from_numpy(array) for array in (HIDDEN[0], table.arrays["codes"], table.arrays["scales"]))
    added = torch.zeros(1) if given is None else given
    plain = torch.ops.edgeemb.quantized_top(*arrays, added, 4, DIM, 32, 1, TOP)
    # Plain torch does not round the vectors to 15 bits.
    np.testing.assert_allclose(plain[0], wanted[0], atol=2e-3)
    np.testing.assert_array_equal(plain[1], wanted[1])
    assert "edgeemb.quantized_top" in operators and not any("topk" in name for name in operators)


@pytest.mark.parametrize(
    "bias", [pytest.param(None, marks=pytest.mark.slow), BIAS], ids=["without a bias", "with a bias"]
)
def test_our_op_gives_the_bits_of_the_best_of_a_shortlist(bias: Any, tmp_path: Path) -> None:
    table = table_of("int4:block=32")
    packed = (table.arrays["codes"], table.arrays["scales"], (4, 32, 1))
    listed = fit_shortlist(table.reconstruct())
    wanted = shortlist_products(HIDDEN[0], *packed, listed, CANDIDATES, TOP, bias)
    given = None if bias is None else torch.from_numpy(bias)
    found, operators = best(
        "int4:block=32", "custom", given, tmp_path / "model.pte", HeadSpec(TOP, CANDIDATES)
    )
    np.testing.assert_array_equal(found[0][0].view(np.uint32), wanted[0].view(np.uint32))
    np.testing.assert_array_equal(found[1][0], wanted[1])
    tensors = (HIDDEN[0], *packed[:2], np.zeros(1, np.float32) if bias is None else bias)
    arrays = map(torch.from_numpy, (*tensors, listed.codes, listed.scales, listed.codebook))
    plain = torch.ops.edgeemb.shortlist_top(*arrays, 4, DIM, 32, 1, CANDIDATES, TOP)
    np.testing.assert_array_equal(plain[0], wanted[0])
    np.testing.assert_array_equal(plain[1], wanted[1])
    assert "edgeemb.shortlist_top" in operators and "edgeemb.quantized_top" not in operators


def test_a_shortlist_of_other_logits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="nothing to choose a shortlist from"):
        best("pq:m=4,k=16", "custom", None, tmp_path / "model.pte", HeadSpec(TOP, CANDIDATES))
    packed = [table_of("int4:block=32")]
    head = nn.Linear(DIM, ROWS)
    keep_best(head, HeadSpec(TOP, CANDIDATES), packed)
    with pytest.raises(ExportError, match="nothing to choose a shortlist from"):
        _edge("head", head, ((torch.from_numpy(HIDDEN),), ()), quantized=False)


@pytest.mark.parametrize(("spec", "ops"), [("int4:block=32", "builtin"), ("pq:m=4,k=16", "custom")])
def test_other_logits_are_computed_and_the_best_chosen(spec: str, ops: str, tmp_path: Path) -> None:
    found, operators = best(spec, ops, torch.from_numpy(BIAS), tmp_path / "model.pte")
    wanted = best_of(HIDDEN[0] @ table_of(spec).reconstruct().T + BIAS, TOP)
    np.testing.assert_allclose(found[0][0], wanted[0], atol=1e-4)
    np.testing.assert_array_equal(found[1][0], wanted[1])
    assert "aten.topk.values" in operators
