"""What the vectors of a bundle are: kept with an index, compared, and refused where they do not belong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeemb.bundle.manifest import VectorsEntry
from edgeemb.errors import BundleError, InputError
from edgeemb.vectors.codes import cosines, unit
from edgeemb.vectors.form import VectorForm

INT8 = VectorsEntry("int8", 16, "int8", 16, "cosine", [0.01])
BITS = VectorsEntry("binary", 16, "uint8", 2, "hamming", [], "0123")


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return unit(np.random.default_rng(0).standard_normal((9, 16)).astype(np.float32))


def test_a_form_is_kept_with_an_index_as_json() -> None:
    form = VectorForm("tiny", INT8)
    again = VectorForm.from_json(json.loads(json.dumps(form.to_json())))
    assert again == form
    again.check_same(form)


def test_a_float_query_is_compared_with_what_is_stored(vectors: NDArray[np.float32]) -> None:
    form = VectorForm("tiny", BITS)
    stored = form.pack(vectors)
    expected = cosines(vectors, form.unpack(stored))
    np.testing.assert_allclose(form.similarity(vectors, stored), expected, atol=1e-6)
    np.testing.assert_allclose(form.similarity(stored, vectors), expected.T, atol=1e-6)
    np.testing.assert_allclose(form.similarity(vectors, vectors), cosines(vectors, vectors), atol=1e-6)


def test_hamming_distances_are_similarities(vectors: NDArray[np.float32]) -> None:
    form = VectorForm("tiny", BITS)
    stored = form.pack(vectors)
    bits = np.unpackbits(stored, axis=1)
    expected = 1 - 2 * (bits[:, None] != bits[None]).mean(axis=2)
    np.testing.assert_allclose(form.similarity(stored, stored), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (VectorForm("large", INT8), "their model is tiny on one side and large on the other"),
        (VectorForm("tiny", BITS), "their spec is int8 on one side and binary on the other"),
        (
            VectorForm("tiny", replace(INT8, dim=8, width=8)),
            "their dimension is 16 on one side and 8 on the other",
        ),
        (VectorForm("tiny", replace(INT8, fitted="ab")), "their fit is  on one side and ab on the other"),
    ],
)
def test_vectors_of_another_kind_are_not_compared(other: VectorForm, what: str) -> None:
    with pytest.raises(InputError, match=what):
        VectorForm("tiny", INT8).check_same(other)


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((2, 16), np.uint8),
        np.zeros((2, 8), np.int8),
        np.zeros(16, np.int8),
        np.zeros((2, 16), np.int64),
        np.zeros((2, 8), np.float32),
    ],
)
def test_arrays_that_are_no_such_vectors_are_refused(given: NDArray[Any]) -> None:
    form = VectorForm("tiny", INT8)
    with pytest.raises(
        InputError, match=r"are none of tiny as int8: give int8\[N, 16\], or float32\[N, 16\]"
    ):
        form.similarity(given, np.zeros((1, 16), np.int8))


def test_vectors_that_are_not_finite_are_not_stored() -> None:
    with pytest.raises(InputError, match="NaN or infinite values"):
        VectorForm("tiny", INT8).pack(np.full((1, 16), np.nan, np.float32))
    with pytest.raises(InputError, match=r"cannot be stored as int8: give float32\[N, 16\]"):
        VectorForm("tiny", INT8).pack(np.zeros((1, 15), np.float32))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (replace(INT8, dtype="uint8"), r"uint8\[16\] by cosine is not what the spec says"),
        (replace(INT8, width=17), r"int8\[17\] by cosine is not what the spec says"),
        (replace(INT8, measure="hamming"), "by hamming is not what the spec says"),
        (replace(INT8, scales=[]), r"the scales \[\] are not 1 numbers above 0"),
        (replace(INT8, scales=[float("nan")]), "are not 1 numbers above 0"),
        (replace(INT8, scales=[0.0]), "are not 1 numbers above 0"),
        (replace(INT8, scales=[1e300]), "are not 1 numbers above 0"),
        (replace(BITS, dim=12), "12 is no multiple of 8"),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(entry: VectorsEntry, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        VectorForm("tiny", entry)


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        {"model": 3},
        {"model": "tiny"},
        {**VectorForm("tiny", INT8).to_json(), "dim": 2**40},
        {**VectorForm("tiny", INT8).to_json(), "spec": "int9"},
        {**VectorForm("tiny", INT8).to_json(), "scales": ["1"]},
    ],
)
def test_json_that_is_no_form_is_refused_in_one_line(values: object) -> None:
    with pytest.raises(InputError, match=r"this is no form of vectors .*session.vectors.to_json") as caught:
        VectorForm.from_json(values)
    assert "\n" not in str(caught.value)
