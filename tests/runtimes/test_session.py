"""Sessions: shared by threads, closed, and careful with what they are given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import BundleError, InputError, SpecError
from edgeemb.runtimes.tokenizer import open_tokenizer

TEXTS = ["the cat sat on the mat", "a dog", "some text that is longer than the others", "cat"]


@pytest.fixture(scope="module", params=["onnx-fp32", "tflite-int8", "executorch-int8", "c-int8-threads"])
def bundle(request: pytest.FixtureRequest, tiny_export: Callable[[str], Path]) -> Path:
    return tiny_export(request.param)


def test_threads_that_share_a_session_get_the_vectors_of_one_thread(bundle: Path) -> None:
    with edgeemb.open(bundle, allow_code=True) as session:
        feeds = [session.feeds(session.tokens([text])) for text in TEXTS]
        alone = [session.run(given) for given in feeds]
        begin = threading.Barrier(4)

        def work(number: int) -> list[bool]:
            begin.wait()
            return [
                bool(np.array_equal(session.run(feeds[(number + turn) % 4]), alone[(number + turn) % 4]))
                for turn in range(12)
            ]

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(work, range(4)))
    assert all(all(same) for same in results)


def test_a_closed_session_says_so_and_may_be_closed_again(bundle: Path) -> None:
    session = edgeemb.open(bundle, allow_code=True)
    feeds = session.feeds(session.tokens(TEXTS[:1]))
    session.close()
    session.close()
    for use in (lambda: session.run(feeds), lambda: session.encode(TEXTS), lambda: session.tokens(TEXTS)):
        with pytest.raises(InputError, match="is closed: open the bundle again"):
            use()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"token_type_ids": np.zeros((1, 5), np.int64)},
            "'token_type_ids' is not known: the model takes input_ids int64",
        ),
        ({"attention_mask": np.ones((1, 3), np.int64)}, "has 3 along the axis 'length', 'input_ids' has 5"),
        (
            {"attention_mask": np.ones(5, np.int64)},
            r"has shape \[5\]: the model takes int64\[batch, length\]",
        ),
        ({"attention_mask": np.full((1, 5), 2)}, "holds values other than 0 and 1"),
        ({"attention_mask": np.zeros((1, 5), np.int64)}, "row 0 of 'attention_mask' has no token"),
        ({"input_ids": np.full((1, 5), -1)}, "id -1 is outside"),
        ({"input_ids": np.full((1, 5), 1.5)}, "float64"),
        ({"input_ids": np.ones((1, 0), np.int64)}, "give at least one"),
        (
            {"input_ids": np.ones((1, 41), np.int64), "attention_mask": np.ones((1, 41), np.int64)},
            "at most 40",
        ),
        ({"input_ids": np.array([["a"] * 5])}, "dtype <U1"),
    ],
)
def test_inputs_are_checked_before_any_runtime_sees_them(
    bundle: Path, change: dict[str, np.ndarray], says: str
) -> None:
    feeds = {"input_ids": np.ones((1, 5), np.int64), "attention_mask": np.ones((1, 5), np.int64)}
    with edgeemb.open(bundle, allow_code=True) as session:
        with pytest.raises(InputError, match=says):
            session.run({**feeds, **change})
        narrow = {name: value.astype(np.int16) for name, value in feeds.items()}
        np.testing.assert_array_equal(session.run(narrow), session.run(feeds))


def test_a_mask_with_holes_is_right_or_refused(bundle: Path) -> None:
    feeds = {"input_ids": np.array([[2, 5, 6, 3]]), "attention_mask": np.array([[1, 0, 1, 1]])}
    with edgeemb.open(bundle, allow_code=True) as session:
        if session.runtime.is_source:
            with pytest.raises(InputError, match="row 0 of the mask has a 0 before a 1"):
                session.run(feeds)
        else:
            other = {**feeds, "input_ids": np.array([[2, 9, 6, 3]])}
            np.testing.assert_allclose(session.run(feeds), session.run(other), atol=1e-6)


def test_an_option_that_a_runtime_lacks_is_refused(bundle: Path) -> None:
    from edgeemb.runtimes import describe
    from edgeemb.runtimes.registry import find_runtime

    runtime = find_runtime(describe(bundle).runtime)
    if runtime.one_thread(bundle, describe(bundle).name):
        with pytest.raises(SpecError, match="runs on one thread"):
            edgeemb.open(bundle, threads=2, allow_code=True)
    if not runtime.profiles:
        with pytest.raises(SpecError, match="has no profile by operator"):
            edgeemb.open(bundle, ops_profile=Path("profile"), allow_code=True)
    if runtime.fixed_ops:
        with pytest.raises(SpecError, match='export it again with ops="custom"'):
            edgeemb.open(bundle, ops="custom", allow_code=True)
    with pytest.raises(SpecError, match="threads=-1"):
        edgeemb.open(bundle, threads=-1, allow_code=True)


def test_code_in_a_bundle_runs_only_where_it_is_allowed(bundle: Path) -> None:
    from edgeemb.runtimes import describe
    from edgeemb.runtimes.registry import find_runtime

    if find_runtime(describe(bundle).runtime).is_source:
        with pytest.raises(
            BundleError, match=r"is C99 source, which would be compiled and run here.*allow_code=True"
        ):
            edgeemb.open(bundle)
        with pytest.raises(BundleError, match="allow_code=True"):
            edgeemb.profile(bundle, "mps2-an386")
    else:
        edgeemb.open(bundle).close()


def test_a_tokenizer_with_ids_that_the_model_lacks_is_refused(tiny_bundle: Path) -> None:
    manifest = read_manifest(tiny_bundle)
    assert manifest.inputs[0].rows is not None
    open_tokenizer(tiny_bundle, manifest)
    inputs = [replace(manifest.inputs[0], rows=3), *manifest.inputs[1:]]
    with pytest.raises(BundleError, match=r"gives ids up to \d+, the model has 3 rows"):
        open_tokenizer(tiny_bundle, replace(manifest, inputs=inputs))
