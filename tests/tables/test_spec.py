"""The grammar of table specs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeemb.errors import SpecError
from edgeemb.tables import CODECS
from edgeemb.tables.registry import coder_of
from edgeemb.tables.spec import Spec, parse_spec

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "mixed")
VALUES = st.from_regex(r"[A-Za-z0-9_.\-]{1,8}", fullmatch=True)
OPTIONS = st.lists(st.tuples(NAMES, VALUES), max_size=3, unique_by=lambda option: option[0]).map(tuple)
PARTS = st.builds(Spec, NAMES, OPTIONS)
SPECS = st.one_of(PARTS, st.builds(lambda part, then: Spec(part.codec, part.options, (), then), PARTS, PARTS))


@st.composite
def mixed_specs(draw: st.DrawFn) -> Spec:
    """Specs of two to four bands."""
    bounds = sorted(draw(st.sets(st.integers(1, 10**6), min_size=1, max_size=3)))
    bands = [(bound, draw(SPECS)) for bound in bounds]
    return Spec("mixed", (), (*bands, (None, draw(SPECS))))


@given(st.one_of(SPECS, mixed_specs()))
def test_reads_back_the_text_of_every_spec(spec: Spec) -> None:
    assert parse_spec(str(spec)) == spec


def test_takes_items_without_a_band_as_options_of_the_band_before() -> None:
    spec = parse_spec("mixed:2000=int4:block=32,20000=pq:m=48,k=16,*=binary")
    assert [(count, str(band)) for count, band in spec.bands] == [
        (2000, "int4:block=32"),
        (20000, "pq:m=48,k=16"),
        (None, "binary"),
    ]


def test_reads_what_stands_behind_a_plus_as_a_spec_of_its_own() -> None:
    spec = parse_spec("lowrank:rank=128+int8:block=32")
    assert (spec.codec, spec.options) == ("lowrank", (("rank", "128"),))
    assert spec.then == Spec("int8", (("block", "32"),))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Int4",
        "int4:",
        "int4:block",
        "int4:block=",
        "int4:=3",
        "int4:block=1,block=2",
        "int4+",
        "+int4",
        "int4 int8",
        "mixed",
        "mixed:",
        "mixed:*=int4",
        "mixed:2000=int4",
        "mixed:2000=int4,1000=int8,*=binary",
        "mixed:2000=int4,2000=int8,*=binary",
        "mixed:0=int4,*=binary",
        "mixed:block=3,*=binary",
        "mixed:*=int4,2000=binary",
        "mixed:10=mixed:5=int8,*=int4",
        "int4:" + "x" * 2000,
    ],
)
def test_refuses_text_that_is_no_spec_in_one_line(text: str) -> None:
    with pytest.raises(SpecError) as error:
        parse_spec(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("int5", "codec 'int5' is not known: did you mean int8? use fp32, fp16, int8"),
        ("lowrnak:rank=8", "did you mean lowrank?"),
        ("xyz", "codec 'xyz' is not known: use fp32, fp16"),
        ("int4:size=3", "no option 'size'"),
        ("int4:planes=2", "no option 'planes'"),
        ("int4:block=big", "block=big is not a number"),
        ("pq", "an option is missing"),
        ("pq:m=0", "m=0"),
        ("pq:m=8,k=257", "k=257"),
        ("pq:m=8,norm=2", "norm=2 is not known: use norm=0 or norm=1"),
        ("rvq:m=0", "m=0"),
        ("lowrank:rank=0", "rank=0"),
        ("lowrank:rank=8,fit=best", "fit=best"),
        ("qr:rows=0", "rows=0"),
        ("qr:rows=8,op=divide", "op=divide"),
        ("hash:rows=64,k=9", "k=9"),
        ("hash:rows=3", "rows=3"),
        ("memcom:rows=0", "rows=0"),
        ("tt:rank=0", "rank=0"),
        ("cluster:k=1,rank=2", "k=1"),
        ("cluster:k=2,rank=0", "rank=0"),
        ("binary:planes=5", "planes=5"),
        ("int8:scale=fp8", "scale=fp8"),
        ("int8:block=-1", "block=-1"),
        ("int8+int4", "does not take '+int4'"),
        ("lowrank:rank=8+int5", "codec 'int5' is not known"),
        ("mixed:10=int8,*=pq", "an option is missing"),
    ],
)
def test_names_what_is_wrong_with_a_spec(text: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        coder_of(parse_spec(text))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_accepts_the_example_of_every_codec() -> None:
    for name, entry in CODECS.items():
        assert parse_spec(entry.example).codec == name
        coder_of(parse_spec(entry.example))
