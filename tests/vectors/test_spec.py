"""Specs of vectors: what they say, and what they may not."""

from __future__ import annotations

import pytest

from edgeemb.errors import SpecError
from edgeemb.vectors.registry import CODES, REDUCTIONS, parse_vectors


@pytest.mark.parametrize(
    "text",
    [
        "dim=128",
        "pca=64",
        "learned=64",
        "int8",
        "int4",
        "binary",
        "float32",
        "pca=128+int8",
        "dim=8+binary:planes=2,rotation=itq",
    ],
)
def test_a_spec_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_vectors(text)) == text


def test_every_reduction_goes_with_every_kind_of_codes() -> None:
    for reduction in REDUCTIONS:
        for codes in set(CODES) - {"float32"}:
            spec = parse_vectors(f"{reduction}=16+{codes}")
            assert (spec.reduction, spec.size, spec.codes) == (reduction, 16, codes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is not known: use dim=128, pca=128, learned=128, float32, int8, int4, binary"),
        ("int7", "'int7' is not known"),
        ("dim", "'dim' needs the dimensions that are left: write dim=128"),
        ("dim=0", "dim=0 is out of range: use 1 to 65536"),
        ("dim=99999999", "is not known"),
        ("int8=4", "'int8' takes no size: write int8, or dim=4+int8"),
        ("int8+pca=128", "give one reduction and then one kind of codes"),
        ("dim=8+pca=4", "give one reduction and then one kind of codes"),
        ("int8+int4", "give one reduction and then one kind of codes"),
        ("binary:", "'' is not key=value"),
        ("binary:planes=3", "planes=3 is out of range: use 1 or 2"),
        ("binary:planes=2,planes=2", "each key once"),
        ("binary:rotation=left", "rotation=left is not known: use random, itq, none"),
        ("binary:bits=2", "binary has no option 'bits': it takes planes and rotation"),
        ("int8:scale=2", "int8 takes no options"),
        ("x" * 300, "vectors spec of 300 characters: the limit is 200"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_vectors(text)
    assert words in str(caught.value) and "\n" not in str(caught.value)
