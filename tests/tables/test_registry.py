"""The registry of codecs: what a record must hold, and how options are read from a class."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pytest

from edgeemb.errors import SpecError
from edgeemb.tables import CODECS, encode, register
from edgeemb.tables.codec import SAMPLE_DIM, SAMPLE_ROWS, Codec, Fit, Fitted, Shape
from edgeemb.tables.program import Gather, Ids
from edgeemb.tables.registry import suited
from edgeemb.tables.space import SearchSpace
from edgeemb.tables.spec import parse_spec
from tests.fixtures import plain_codec


@dataclass(frozen=True)
class Halved:
    """Rows stored as floats of a width."""

    width: Literal[16, 32]
    name: Literal["rows", "weights"] = "rows"
    scale: float = 1.0

    def encode(self, fit: Fit) -> Fitted:
        rows = (fit.weight * np.float32(self.scale)).astype(f"float{self.width}")
        return Fitted({self.name: rows}, Gather(self.name, Ids()))

    def nbytes(self, shape: Shape) -> int:
        return shape.rows * shape.dim * self.width // 8


CODEC = Codec("halved", Halved, "halved:width=16", "tests", ("halved:width=32",))


@pytest.fixture(autouse=True)
def keep_the_registry() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(CODECS)
    yield
    CODECS.clear()
    CODECS.update(before)


@pytest.mark.parametrize("codec", [CODEC, plain_codec.CODEC], ids=["postponed", "plain"])
def test_reads_options_from_annotations_of_either_kind(codec: Codec) -> None:
    register(codec)
    weight = np.eye(SAMPLE_ROWS, SAMPLE_DIM, dtype=np.float32)
    table = encode(weight, f"{codec.name}:width=16,scale=2")
    np.testing.assert_array_equal(table.reconstruct(), 2 * weight)
    assert table.nbytes == 2 * weight.size


def test_reads_types_choices_and_defaults() -> None:
    options = CODEC.options()
    assert [(option.kind, option.choices, option.default) for option in options.values()] == [
        (int, ("16", "32"), None),
        (str, ("rows", "weights"), "rows"),
        (float, (), 1.0),
    ]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("halved", "an option is missing, width=; write halved:width=16"),
        ("halved:width=8", "width=8 is not known: use width=16 or width=32"),
        ("halved:width=16,scale=x", "scale=x is not a number"),
        ("halved:width=16,size=2", "no option 'size' (options: width, name, scale)"),
        ("halvd:width=16", "did you mean halved?"),
        ("halved:width=16+int8", "'halved' does not take '+int8'"),
    ],
)
def test_says_what_a_spec_of_a_new_codec_lacks(spec: str, said: str) -> None:
    register(CODEC)
    with pytest.raises(SpecError) as error:
        encode(np.zeros((4, 4), np.float32), spec)
    assert said in str(error.value)


@dataclass
class Thawed:
    """Not frozen."""


class Bare:
    """No dataclass."""


@dataclass(frozen=True)
class Mute:
    """Neither method."""


@dataclass(frozen=True)
class Unsized:
    """No nbytes."""

    def encode(self, fit: Fit) -> Fitted:
        raise NotImplementedError


@dataclass(frozen=True)
class Listed(Halved):
    """An option that no spec can write."""

    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Heavier(Halved):
    """Bytes that are not those of the arrays."""

    def nbytes(self, shape: Shape) -> int:
        return super().nbytes(shape) + 1


@dataclass(frozen=True)
class Forgetful(Halved):
    """A program over an array that is not there."""

    def encode(self, fit: Fit) -> Fitted:
        return Fitted(super().encode(fit).arrays, Gather("other", Ids()))


@dataclass(frozen=True)
class Hoarder(Halved):
    """An array that no program reads."""

    def encode(self, fit: Fit) -> Fitted:
        fitted = super().encode(fit)
        return Fitted({**fitted.arrays, "other": np.zeros(1, np.float32)}, fitted.program)


@dataclass(frozen=True)
class Narrow(Halved):
    """Rows of the wrong width."""

    def encode(self, fit: Fit) -> Fitted:
        return super().encode(replace(fit, weight=fit.weight[:, 1:]))


@dataclass(frozen=True)
class Failing(Halved):
    """A fit that fails."""

    def encode(self, fit: Fit) -> Fitted:
        raise ZeroDivisionError("division by zero")


#: An option of a type that is nowhere.
Unknown = dataclasses.make_dataclass("Unknown", [("size", "Nowhere", 0)], bases=(Halved,), frozen=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"make": Thawed}, "needs a frozen dataclass: write @dataclass(frozen=True) at Thawed"),
        ({"make": Bare}, "needs a frozen dataclass: write @dataclass(frozen=True) at Bare"),
        ({"make": Mute}, "lacks Mute.encode(fit) -> Fitted"),
        ({"make": Unsized}, "lacks Unsized.nbytes(shape) -> int"),
        ({"make": Listed}, "option parts is of type tuple[int, ...]: use int, float, str"),
        ({"make": Unknown}, "has an option that cannot be read: name 'Nowhere'"),
        ({"name": "Halved!"}, "has a name that specs cannot hold"),
        ({"name": "int4"}, "the name is taken by Quantized"),
        ({"good_for": ""}, "does not say what it is good for"),
        ({"samples": ()}, "has no sample spec"),
        ({"example": "halved"}, "offers a spec that is not its own"),
        ({"example": "int8"}, "'int8' is a spec of another codec"),
        ({"samples": ("halved:width=64",)}, "width=64 is not known"),
        ({"fixed": {"wide": 1}}, "names an option 'wide' that Halved does not have"),
        ({"hidden": ("width",)}, "hides the option 'width', which has no default"),
        ({"row_options": ("rows",)}, "names an option 'rows' that Halved does not have"),
        ({"search": lambda rows, dim: SearchSpace("halved:width={w}", {"w": ("16", "8")})}, "width=8"),
        ({"search": lambda rows, dim: SearchSpace("{codec}:width={x}", {"w": ("16",)})}, "'x'"),
        ({"make": Heavier}, "with 'halved:width=32': nbytes says 38401, but encode stores 38400"),
        ({"make": Forgetful}, "the program reads ['other'], which encode does not store"),
        ({"make": Hoarder}, "encode stores ['other'], which the program does not read"),
        ({"make": Narrow}, "the program gives rows of 31 elements for a table of 32 columns"),
        ({"make": Failing}, "cannot fit its sample 'halved:width=32': division by zero"),
    ],
)
def test_refuses_a_codec_that_breaks_the_contract_and_says_what_is_missing(
    changes: dict[str, Any], said: str
) -> None:
    before = dict(CODECS)
    with pytest.raises(SpecError) as error:
        register(replace(CODEC, **changes))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert before == CODECS


def test_takes_a_codec_that_is_registered_again() -> None:
    register(CODEC)
    register(replace(CODEC))
    with pytest.raises(SpecError, match="taken"):
        register(replace(CODEC, good_for="something else"))


@pytest.mark.parametrize("codec", CODECS.values(), ids=lambda codec: codec.name)
def test_every_codec_of_the_project_keeps_the_contract(codec: Codec) -> None:
    register(codec)


def test_a_record_is_data() -> None:
    for codec in CODECS.values():
        with pytest.raises(dataclasses.FrozenInstanceError):
            codec.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("spec", "dim", "fitting"),
    [
        ("int4:block=32", 384, "int4:block=32"),
        ("int4:block=32", 16, "int4:block=16"),
        ("int4:block=32", 400, "int4:block=16"),
        ("int4:block=32", 24, "int4:block=24"),
        ("int4:block=32", 12, "int4"),
        ("int4:block=32", 7, "int4"),
        ("int8:block=64,scale=fp32", 96, "int8:block=48,scale=fp32"),
        ("binary:block=32,planes=2", 20, "binary:planes=2"),
        ("int8", 7, "int8"),
        ("pq:m=96", 7, "pq:m=96"),
    ],
)
def test_changes_a_default_spec_to_suit_the_columns(spec: str, dim: int, fitting: str) -> None:
    assert str(suited(parse_spec(spec), dim)) == fitting
