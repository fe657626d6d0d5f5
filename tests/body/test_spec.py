"""Body specs: what can be written, and which layer gets which."""

from __future__ import annotations

import pytest

from edgeemb.body.spec import BodySpec, parse_body, read_bodies, specs_of
from edgeemb.errors import SpecError

LAYERS = ["layer.0.query", "layer.0.up", "layer.1.query", "layer.1.up", "layer.10.up"]


@pytest.mark.parametrize(
    ("text", "spec", "canonical"),
    [
        ("fp32", BodySpec("fp32"), "fp32"),
        ("int8", BodySpec("int8", 0, False), "int8"),
        ("int8:gptq", BodySpec("int8", 0, True), "int8:gptq"),
        ("int4", BodySpec("int4", 32, True), "int4:block=32,gptq"),
        ("int4:block=64,nearest", BodySpec("int4", 64, False), "int4:block=64,nearest"),
        ("keep", BodySpec("keep"), "keep"),
    ],
)
def test_a_spec_has_a_canonical_text(text: str, spec: BodySpec, canonical: str) -> None:
    assert parse_body(text) == spec
    assert str(spec) == canonical
    assert parse_body(canonical) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("int3", "body 'int3' is not known: did you mean"),
        ("int4:block=48", "block=48 is not possible: use 32, 64, 128"),
        ("int4:blok=32", "'blok=32' is not known; int4 takes block=32, gptq or nearest"),
        ("fp16:gptq", "'gptq' is not known; fp16 takes no options"),
        (["int8", "int4"], "two bodies without a layer's name"),
        (["up=int8", "up=int4"], "two bodies for layer 'up'"),
        ("up=fp16", "a single layer takes int8, int4, keep"),
        ("up=auto:cosine=.9", "auto is for all layers that have no spec of their own; write auto:cosine=.9"),
        ("auto:cosine=2", "body 'auto:cosine=2': a cosine is above 0 and at most 1"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(text: str | list[str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read_bodies(text)


def test_a_name_is_a_run_of_parts_and_the_longest_counts() -> None:
    request = read_bodies(["int4", "query=int8", "layer.1=int8", "layer.1.query=keep"])
    found = specs_of(LAYERS, request, parse_body("int4"))
    assert {name: spec.precision for name, spec in found.items()} == {
        "layer.0.query": "int8",
        "layer.0.up": "int4",
        "layer.1.query": "keep",
        "layer.1.up": "int8",
        "layer.10.up": "int4",
    }


def test_a_layer_that_is_not_there_is_told_the_nearest_first() -> None:
    request = read_bodies({"layer.1.quary": "int8"})
    with pytest.raises(SpecError, match=r"no layer 'layer\.1\.quary': its layers are layer\.1\.query, "):
        specs_of(LAYERS, request, parse_body("int4"))
