"""The bytes of a table before it is fitted are those that it takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeemb.errors import SpecError
from edgeemb.tables import CODECS, encode, nbytes
from edgeemb.tables.codec import SAMPLE_DIM, SAMPLE_ROWS, Codec, Option, Shape
from edgeemb.tables.codecs.lowrank import LowRank
from edgeemb.tables.registry import coder_of
from edgeemb.tables.spec import Spec, parse_spec
from tests.fixtures.weights import zipf

NAMES = sorted(CODECS)


@pytest.fixture(autouse=True, scope="module")
def short_fits() -> Iterator[None]:
    """Rounds of a fit change no byte count: make the slow ones short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgeemb.tables.fitting.direction._STEPS", 1)
        patch.setattr("edgeemb.tables.codecs.residual._ROUNDS", 1)
        yield


def divisors(number: int) -> list[int]:
    return [part for part in range(1, number + 1) if number % part == 0]


def values(option: Option, rows: int, dim: int) -> st.SearchStrategy[str]:
    """Values of an option, in range for many tables, and some that are not."""
    if option.choices:
        return st.sampled_from(option.choices)
    near = st.sampled_from(sorted({1, 2, 3, 4, 8, 16, rows, *divisors(dim)}))
    return st.one_of(near, near, st.integers(0, rows + 1)).map(str)


@st.composite
def specs(draw: st.DrawFn, name: str, rows: int, dim: int, depth: int = 0) -> Spec:
    """Specs of a codec for a table of a shape, options drawn from what its record says."""
    codec = CODECS[name]
    if name == "mixed":
        bounds = draw(st.lists(st.integers(1, rows), min_size=1, max_size=3, unique=True).map(sorted))
        inner = st.sampled_from([other for other in NAMES if other != "mixed"])
        bands = [(bound, draw(specs(draw(inner), rows, dim, depth + 1))) for bound in [*bounds, None]]
        return Spec("mixed", (), tuple(bands))
    options = [
        (option.name, draw(values(option, rows, dim)))
        for option in codec.options().values()
        if option.default is None or draw(st.booleans())
    ]
    then = None
    if codec.composes and depth < 2 and draw(st.booleans()):
        then = draw(specs(draw(st.sampled_from(NAMES)), rows, dim, depth + 1))
    return Spec(name, tuple(options), (), then)


def tokens_of(rows: int) -> list[bytes]:
    return [b"\2" + b"ab" * (row * 7 % 20) for row in range(rows)]


def taken(
    spec: Spec, rows: int, dim: int, frequency: NDArray[np.float64] | None, tokens: list[bytes] | None
) -> int | str:
    """What a fitted table takes, or why there is none."""
    weight = np.random.default_rng(0).standard_normal((rows, dim)).astype(np.float32)
    try:
        return encode(weight, spec, frequency=frequency, tokens=tokens).nbytes
    except SpecError as error:
        return str(error)


def foretold(
    spec: Spec, rows: int, dim: int, frequency: NDArray[np.float64] | None, tokens: list[bytes] | None
) -> int | str:
    """What `nbytes` says of it."""
    try:
        return nbytes(spec, rows, dim, frequency=frequency, tokens=tokens)
    except SpecError as error:
        return str(error).replace(f" for {rows} x {dim}: ", " for table: ")


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_are_known_for_any_shape_and_options_or_refused_in_the_words_of_the_fit(
    name: str, data: st.DataObject
) -> None:
    rows, dim = (
        data.draw(st.integers(1, 60), "rows"),
        data.draw(st.sampled_from([1, 2, 7, 12, 24, 48]), "dim"),
    )
    spec = data.draw(specs(name, rows, dim), "spec")
    frequency = data.draw(st.sampled_from([None, zipf(rows), zipf(rows)[::-1].copy()]), "frequency")
    tokens = data.draw(st.sampled_from([None, tokens_of(rows)]), "tokens")
    assert foretold(spec, rows, dim, frequency, tokens) == taken(spec, rows, dim, frequency, tokens)


def test_more_hashes_than_there_are_numbers_without_a_common_divisor_are_refused() -> None:
    spec = parse_spec("hash:rows=16,k=8")
    wanted = "k=8 is out of range: only 5 numbers up to rows=16 share no divisor, use 5 hashes or fewer"
    for found in (foretold(spec, 16, 1, zipf(16), None), taken(spec, 16, 1, zipf(16), None)):
        assert wanted in str(found)


@pytest.mark.parametrize("codec", CODECS.values(), ids=lambda codec: codec.name)
@pytest.mark.parametrize("ranked", [False, True])
def test_are_known_for_every_sample_and_member_of_the_search(codec: Codec, ranked: bool) -> None:
    rows, dim = SAMPLE_ROWS, SAMPLE_DIM
    frequency = np.random.default_rng(1).random(rows) + 0.1 if ranked else None
    offered = [parse_spec(text) for text in codec.samples]
    assert all(isinstance(foretold(spec, rows, dim, frequency, tokens_of(rows)), int) for spec in offered)
    if codec.search is not None:
        members = [spec for _, spec in codec.search(rows, dim).specs(codec.name)]
        offered += members[:: max(1, len(members) // 3)]
    for spec in offered:
        tokens = tokens_of(rows)
        assert foretold(spec, rows, dim, frequency, tokens) == taken(spec, rows, dim, frequency, tokens), spec


def test_of_ranks_grow_where_two_bytes_cannot_number_the_rows() -> None:
    falling = zipf(32_769)[::-1].copy()
    plain, ranked = (nbytes("mixed:20=int8,*=int8", 32_769, 8, frequency=known) for known in (None, falling))
    assert ranked - plain == 4 * 32_769


def test_need_no_table_at_all() -> None:
    assert nbytes("int4:block=32", 30_522, 384) == 30_522 * (192 + 24)
    assert nbytes("pq:m=96", 10**9, 384) == 10**9 * 96 + 256 * 384 * 2


def test_name_the_way_to_ask_where_a_codec_holds_another() -> None:
    with pytest.raises(SpecError, match=r"ask edgeemb\.tables\.nbytes"):
        LowRank(2).nbytes(Shape(10, 4))


def test_of_shared_rows_never_take_the_tokens_of_the_first_ids() -> None:
    spec = parse_spec("memcom:rows=16+ngram:n=1,lanes=1")
    coder_of(spec)
    said = foretold(spec, 40, 8, None, tokens_of(40))
    assert isinstance(said, str) and "text of their tokens" in said
    assert said == taken(spec, 40, 8, None, tokens_of(40))
