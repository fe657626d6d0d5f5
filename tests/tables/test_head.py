"""The logits over a compressed table are the products with its rows, for every codec that has such a form."""

from __future__ import annotations

import numpy as np
import pytest

from edgeemb.errors import SpecError
from edgeemb.tables import encode
from edgeemb.tables.head import Bands, head_of, run_head, walk_head, why_no_head
from edgeemb.tables.program import array_names
from tests.fixtures.weights import structured

ROWS, DIM = 60, 48
HEADS = (
    "fp32",
    "fp16",
    "int8",
    "int4:block=16",
    "int2:block=16",
    "binary:block=16,planes=2",
    "pq:m=6",
    "pq:m=6,norm=1",
    "rvq:m=3,k=16",
    "lowrank:rank=16",
    "lowrank:rank=16+int8",
    "mixed:10=int8,30=int4:block=16,*=pq:m=6",
    "mixed:10=int8,*=lowrank:rank=8+int4",
)


@pytest.mark.parametrize("spec", HEADS)
def test_logits_are_products_with_the_rows(spec: str) -> None:
    table = encode(structured(ROWS, DIM), spec, seed=0)
    hidden = np.random.default_rng(3).standard_normal((5, DIM)).astype(np.float32)
    head = head_of(table)
    found = run_head(head, table.arrays, hidden)
    wanted = hidden.astype(np.float64) @ table.reconstruct().T.astype(np.float64)
    assert found.shape == (5, ROWS) and found.dtype == np.float32
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
    named = {value for node in walk_head(head) for value in vars(node).values() if isinstance(value, str)}
    assert named == set(array_names(table.program))


def test_bands_follow_one_another() -> None:
    head = head_of(encode(structured(ROWS, DIM), "mixed:10=int8,30=int4:block=16,*=int2:block=16", seed=0))
    assert isinstance(head, Bands) and len(head.parts) == 3


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("ngram:n=2", "computed from the bytes of tokens"),
        ("qr:rows=8", "its rows share what is stored"),
        ("mixed:10=int8,*=ngram:n=2,lanes=4", "computed from the bytes of tokens"),
    ],
)
def test_a_table_without_such_a_form_is_refused_and_says_why(spec: str, reason: str) -> None:
    tokens = tuple(f"t{number}".encode() for number in range(ROWS))
    table = encode(structured(ROWS, DIM), spec, tokens=tokens, seed=0)
    with pytest.raises(SpecError, match=reason):
        head_of(table)
    assert reason in why_no_head(table)


def test_bands_of_ranks_give_the_logits_in_the_order_of_the_ids() -> None:
    frequency = np.random.default_rng(0).permutation(ROWS).astype(np.float64) + 1
    table = encode(structured(ROWS, DIM), "mixed:10=int8,*=int4:block=16", frequency=frequency, seed=0)
    hidden = np.random.default_rng(3).standard_normal((5, DIM)).astype(np.float32)
    wanted = hidden @ table.reconstruct().T
    assert np.allclose(
        run_head(head_of(table), table.arrays, hidden), wanted, rtol=0, atol=1e-4 * np.abs(wanted).max()
    )
