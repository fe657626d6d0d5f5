"""Made-up inputs, and the lengths that are measured."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgeemb.bundle.manifest import Manifest, TensorEntry, read_manifest
from edgeemb.devices.feeds import make_feeds, refusal, settled
from edgeemb.devices.plan import ProfilePlan


def manifest(bundle: Path, *axes: str | int, lengths: tuple[int, ...] = ()) -> Manifest:
    """The manifest of a bundle that takes ids of some shape alone."""
    return dataclasses.replace(
        read_manifest(bundle),
        inputs=[TensorEntry("ids", "int64", list(axes), 50)],
        lengths=list(lengths),
        max_length=0,
        bounds={},
    )


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        (("batch", "length"), (1, 12)),
        (("batch", 256), (1, 256)),
        ((1, 256), (1, 256)),
        (("rows",), (12,)),
        (("batch", "length", 3), (1, 12, 3)),
    ],
)
def test_a_length_never_goes_into_the_batch(
    tiny_bundle: Path, axes: tuple[str | int, ...], shape: tuple[int, ...]
) -> None:
    assert make_feeds(manifest(tiny_bundle, *axes), 12)["ids"].shape == shape


def test_lengths_are_those_that_the_bundles_were_made_for(tiny_bundle: Path) -> None:
    free = manifest(tiny_bundle, "batch", "length")
    fixed = manifest(tiny_bundle, "batch", 256)
    several = manifest(tiny_bundle, "batch", "length", lengths=(8, 40))
    plan = ProfilePlan()
    assert settled(plan, [free]).lengths == (16, 128)
    assert settled(plan, [fixed]).lengths == (256,)
    assert settled(plan, [fixed, several]).lengths == (8, 40, 256)
    assert settled(plan, [fixed, free]).lengths == (16, 128)
    assert settled(ProfilePlan(lengths=(5,)), [fixed]).lengths == (5,)
    assert refusal(fixed, 16) == "the bundle takes only the length 256"
    assert refusal(several, 16) == "the bundle takes only the lengths 8, 40"
    assert refusal(free, 999) == ""
