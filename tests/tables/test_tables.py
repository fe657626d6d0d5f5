"""What holds for every codec."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeemb.errors import InputError, SpecError
from edgeemb.tables import CODECS, Table, encode
from edgeemb.tables.program import array_names, width
from edgeemb.tables.spec import parse_spec
from tests.fixtures.weights import relative_error, structured, zipf

#: Specs for a table of 700 x 48, and the largest relative squared error that a good fit leaves.
BOUNDS = {
    "fp32": 0.0,
    "fp16": 1e-6,
    "int8": 1e-4,
    "int4": 0.02,
    "int4:block=16": 0.012,
    "int2:block=16": 0.12,
    "binary:block=16": 0.36,
    "binary:block=16,planes=2": 0.12,
    "lowrank:rank=12": 0.08,
    "lowrank:rank=12,fit=direction": 0.08,
    "lowrank:rank=12+int8": 0.08,
    "lowrank:rank=12+pq:m=6": 0.14,
    "pq:m=24": 0.01,
    "pq:m=12": 0.1,
    "pq:m=12,k=100,norm=1": 0.13,
    "rvq:m=3": 0.1,
    "qr:rows=180,op=multiply": 0.85,
    "qr:rows=180+int8": 0.9,
    "hash:rows=180": 0.9,
    "hash:rows=180,k=3+int8": 0.9,
    "memcom:rows=180": 0.65,
    "memcom:rows=180+int4": 0.68,
    "tt:rank=24": 0.7,
    "cluster:k=4,rank=10": 0.12,
    "cluster:k=4,rank=10+int4": 0.14,
    "ngram:n=3,lanes=4,dim=480": 0.6,
    "mixed:100=int8,300=int4:block=16,*=binary": 0.25,
    "mixed:100=lowrank:rank=12+int8,*=pq:m=12": 0.1,
}
WEIGHT = structured(700, 48)
FREQUENCY = zipf(700)
TOKENS = [f"\2token{number}".encode() for number in range(700)]


@pytest.fixture(scope="module")
def tables() -> dict[str, Table]:
    """The table of each spec, fitted without frequencies."""
    return {spec: encode(WEIGHT, spec, tokens=TOKENS) for spec in BOUNDS}


def test_covers_every_codec() -> None:
    assert {parse_spec(spec).codec for spec in BOUNDS} == set(CODECS)


@pytest.mark.parametrize("spec", BOUNDS)
def test_fits_each_codec_well(spec: str, tables: dict[str, Table]) -> None:
    assert relative_error(tables[spec], WEIGHT) <= BOUNDS[spec]


@pytest.mark.parametrize("spec", BOUNDS)
def test_gives_rows_in_the_shape_of_the_ids(spec: str, tables: dict[str, Table]) -> None:
    table = tables[spec]
    whole = table.reconstruct()
    ids = np.array([[0, 699, 5], [5, 180, 0]], np.int32)
    rows = table.rows(ids)
    assert rows.dtype == np.float32
    # A matrix product may round differently for another number of rows.
    np.testing.assert_allclose(rows, whole[ids], rtol=1e-5, atol=1e-6)
    assert table.rows(np.zeros((0,), np.int64)).shape == (0, 48)


@pytest.mark.parametrize("spec", BOUNDS)
def test_stores_just_the_arrays_that_its_program_reads(spec: str, tables: dict[str, Table]) -> None:
    table = tables[spec]
    assert set(array_names(table.program)) == set(table.arrays)
    assert width(table.program, table.arrays) == 48
    assert table.nbytes == sum(array.size * array.itemsize for array in table.arrays.values())
    assert all(name.isidentifier() and array.flags.c_contiguous for name, array in table.arrays.items())


@pytest.mark.parametrize("spec", BOUNDS)
def test_gives_equal_tables_for_equal_seeds(spec: str, tables: dict[str, Table]) -> None:
    again = encode(WEIGHT.copy(), spec, tokens=TOKENS)
    assert again.program == tables[spec].program
    for name, array in tables[spec].arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)


@pytest.mark.parametrize("spec", BOUNDS)
def test_reports_progress_in_rows_up_to_the_last(spec: str) -> None:
    seen: list[tuple[int, int]] = []
    encode(WEIGHT[:310], spec, tokens=TOKENS[:310], progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (310, 310)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(
    "spec",
    [
        spec
        for spec in BOUNDS
        if parse_spec(spec).codec not in ("fp32", "fp16", "int8", "int4", "int2", "binary")
    ],
)
def test_serves_frequent_ids_better_where_it_knows_them(spec: str, tables: dict[str, Table]) -> None:
    aware = encode(WEIGHT, spec, frequency=FREQUENCY, tokens=TOKENS)
    assert relative_error(aware, WEIGHT, FREQUENCY) <= 1.01 * relative_error(tables[spec], WEIGHT, FREQUENCY)


@pytest.mark.parametrize("spec", BOUNDS)
@pytest.mark.parametrize("fill", [0.0, 0.25])
def test_keeps_a_constant_table(spec: str, fill: float) -> None:
    weight = np.full((310, 48), fill, np.float32)
    table = encode(weight, spec, tokens=TOKENS[:310])
    np.testing.assert_allclose(table.reconstruct(), weight, atol=0.03 * fill)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 9),
    st.sampled_from(
        ["fp16", "int8", "int4", "int2", "binary:planes=3", "lowrank:rank=1+int4", "pq:m=1", "pq:m=1,norm=1"]
    ),
    st.integers(0, 2**31 - 1),
)
def test_takes_tables_of_any_size(rows: int, dim: int, spec: str, seed: int) -> None:
    weight = structured(rows, dim, seed)
    back = encode(weight, spec).reconstruct()
    assert back.shape == weight.shape
    assert np.isfinite(back).all()
    assert ((back - weight) ** 2).sum() <= 1.0001 * (weight**2).sum()


@pytest.mark.parametrize("ids", [[-1], [700], [3, 700, -1], [2**40]])
def test_refuses_ids_outside_the_table_and_names_them(ids: list[int], tables: dict[str, Table]) -> None:
    bad = next(number for number in ids if not 0 <= number < 700)
    with pytest.raises(InputError, match=rf"id {bad} is outside the table's \[0, 700\)"):
        tables["int8"].rows(ids)


def test_refuses_ids_that_are_not_integers(tables: dict[str, Table]) -> None:
    with pytest.raises(InputError, match="dtype float64"):
        tables["int8"].rows([1.0])


def test_names_the_table_and_the_row_that_is_not_finite() -> None:
    weight = WEIGHT.copy()
    weight[17, 3] = np.nan
    with pytest.raises(SpecError, match=r"word table holds NaN.*row 17"):
        encode(weight, "int8", name="word table")


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (4,), (2, 2, 2)])
def test_refuses_what_is_no_table(shape: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match="needs rows and columns"):
        encode(np.zeros(shape, np.float32), "int8")


@pytest.mark.parametrize("frequency", [np.ones(699), np.zeros(700)])
def test_refuses_frequencies_that_do_not_fit(frequency: NDArray[np.float64]) -> None:
    with pytest.raises(SpecError, match="700 positive numbers"):
        encode(WEIGHT, "pq:m=12", frequency=frequency)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("fp16", "use fp32 or int8"),
        ("int8", "scale=fp32"),
        ("pq:m=12", "centroids do not fit float16"),
        ("rvq:m=2", "codewords do not fit float16"),
        ("lowrank:rank=8", "use fp32 or int8"),
        ("tt:rank=8", "cores do not fit float16"),
    ],
)
def test_says_what_to_use_where_weights_exceed_float16(spec: str, said: str) -> None:
    weight = structured(300, 48) * np.float32(1e12)
    with pytest.raises(SpecError) as error:
        encode(weight, spec)
    assert said in str(error.value)
    assert spec in str(error.value)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("int4:block=7", "block=7 does not divide the table's dimension 48"),
        ("pq:m=7", "m=7 does not divide the table's dimension 48: use m=6"),
        ("lowrank:rank=49", "rank=49 is larger than the table's dimension 48"),
        ("qr:rows=701", "rows=701 is larger than the table, which has 700 rows"),
        ("hash:rows=701", "rows=701 is larger"),
        ("memcom:rows=701", "rows=701 is larger"),
        ("tt:rank=5000", "use 1 to"),
        ("cluster:k=8,rank=49", "does not fit a table of 700 x 48"),
        ("mixed:700=int8,*=int4", "band bound 700 is not below the table's 700 rows"),
        ("mixed:10=int8,*=int4:block=7", "band 1, ranks 10 to 699: block=7"),
    ],
)
def test_says_what_does_not_fit_the_shape(spec: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        encode(WEIGHT, spec)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
