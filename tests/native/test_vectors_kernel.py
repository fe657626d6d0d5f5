"""The C of stored vectors: Hamming distances of every variant, and the same codes and similarities as numpy's."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeemb.errors import InputError, NativeError
from edgeemb.native.compilers import host_compiler, run_compiler
from edgeemb.native.kernels import variants
from edgeemb.native.libraries import find_sources
from edgeemb.native.vectors import dots, hamming
from edgeemb.tables.program import pack_codes
from edgeemb.vectors.codes import unit
from edgeemb.vectors.registry import codes_of, parse_vectors
from tests.fixtures.buffers import unaligned

#: Enumerators of `runtimes/micro/vectors.h`.
KINDS = {"float32": 0, "int8": 1, "int4": 2, "binary": 3, "binary:planes=2": 4}
_WRAPPERS = """
#include "micro/vectors.h"
void store(const eem_vectors *form, const float *vector, uint8_t *stored) { eem_vectors_store(form, vector, stored); }
float similarity(const eem_vectors *form, const uint8_t *a, const uint8_t *b) { return eem_vectors_similarity(form, a, b); }
float similarity_to(const eem_vectors *form, const float *a, const uint8_t *b) { return eem_vectors_similarity_to(form, a, b); }
"""


class Form(ctypes.Structure):
    _fields_ = (("codes", ctypes.c_int), ("dim", ctypes.c_uint32), ("scales", ctypes.c_float * 2))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("vectors")
    (folder / "vectors.c").write_text(_WRAPPERS)
    flags = ["-std=c99", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-Wno-missing-prototypes"]
    command = [*host_compiler(), *flags, "-shared", "-fPIC", f"-I{find_sources() / 'runtimes'}"]
    run_compiler([*command, str(folder / "vectors.c"), "-o", str(folder / "vectors.so")])
    loaded = ctypes.CDLL(str(folder / "vectors.so"))
    loaded.similarity.restype = loaded.similarity_to.restype = ctypes.c_float
    return loaded


@pytest.mark.parametrize("name", [None, "numpy", *variants()])
@pytest.mark.parametrize("width", [1, 7, 8, 15, 16, 48, 49])
def test_hamming_distances_count_the_bits_that_differ(name: str | None, width: int) -> None:
    random = np.random.default_rng(width)
    store = unaligned(random.integers(0, 256, (37, width), np.uint8), 3)
    query = random.integers(0, 256, width, np.uint8)
    assert np.array_equal(hamming(query, store, name), np.unpackbits(store ^ query, axis=1).sum(axis=1))
    assert hamming(query, store[:0], name).shape == (0,)
    assert np.array_equal(hamming(query, store[::2], name), hamming(query, store, name)[::2])
    if width > 1:
        half = width // 2
        assert np.array_equal(
            hamming(query[:half], store[:, :half], name),
            hamming(query[:half], store[:, :half].copy(), "numpy"),
        )


def test_an_unknown_variant_and_other_sizes_are_refused() -> None:
    store = np.zeros((2, 4), np.uint8)
    with pytest.raises(NativeError, match="cannot run abacus"):
        hamming(store[0], store, "abacus")
    with pytest.raises(InputError, match="vectors of 3 and 4 bytes cannot be compared"):
        hamming(store[0, :3], store)
    with pytest.raises(InputError, match=r"give uint8\[B\] and uint8\[N, B\]"):
        hamming(store, store)


@pytest.mark.parametrize("name", variants())
@pytest.mark.parametrize(("bits", "dim"), [(8, 1), (8, 31), (8, 384), (4, 2), (4, 62), (4, 384)])
def test_products_of_codes_are_exact(name: str, bits: int, dim: int) -> None:
    random = np.random.default_rng(dim)
    codes = random.integers(-128, 128, (19, dim)) if bits == 8 else random.integers(-8, 8, (19, dim))
    store = codes.astype(np.int8) if bits == 8 else pack_codes((codes + 8).astype(np.uint8), 4)
    store = unaligned(store, 1)
    products, squares = dots(store[3], store, bits, name)
    assert np.array_equal(products, codes @ codes[3]) and np.array_equal(squares, (codes**2).sum(axis=1))
    assert dots(store[3], store[:0], bits, name)[0].shape == (0,)


def test_products_of_other_arrays_are_refused() -> None:
    codes = np.zeros((2, 4), np.int8)
    with pytest.raises(InputError, match=r"give int8\[B\] and int8\[N, B\]"):
        dots(codes[0, :3], codes, 8)
    with pytest.raises(InputError, match=r"give uint8\[B\]"):
        dots(codes[0], codes, 4)
    with pytest.raises(NativeError, match="refused with status 3"):
        dots(codes[0].astype(np.uint8), codes.astype(np.uint8), 2)


def _address(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


@pytest.mark.parametrize("text", KINDS)
@pytest.mark.parametrize("dim", [8, 40, 384])
def test_c_stores_the_same_bits_and_finds_the_same_similarities(
    text: str, dim: int, library: ctypes.CDLL
) -> None:
    codes = codes_of(parse_vectors(text))
    vectors = unit(np.random.default_rng(dim).standard_normal((40, dim)).astype(np.float32))
    vectors[0], vectors[1] = 0, vectors[1].round(1)
    scales = codes.fit(vectors)
    form = Form(KINDS[text], dim, (*scales, 0.0, 0.0)[:2])
    wanted = codes.pack(vectors, scales)
    got = np.zeros_like(wanted)
    for row in range(len(vectors)):
        library.store(ctypes.byref(form), _address(vectors[row]), _address(got[row]))
    assert np.array_equal(wanted, got)
    scores = codes.scores(wanted[:4], wanted, dim, scales)
    loaded = unit(codes.unpack(wanted, dim, scales))

    def each(function: Callable[..., float], rows: NDArray[Any]) -> list[list[float]]:
        return [
            [function(ctypes.byref(form), _address(one), _address(other)) for other in got] for one in rows
        ]

    np.testing.assert_allclose(each(library.similarity, got[:4]), scores, atol=2e-6)
    np.testing.assert_allclose(
        each(library.similarity_to, vectors[:4]), unit(vectors[:4]) @ loaded.T, atol=3e-6
    )


def test_c_gives_a_code_for_every_float(library: ctypes.CDLL) -> None:
    values = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-40, 0, -0.0], np.float32)
    got = np.zeros(8, np.int8)
    library.store(ctypes.byref(Form(KINDS["int8"], 8, (0.5, 0))), _address(values), _address(got))
    assert got.tolist() == [-127, 127, -127, 127, -127, 0, 0, 0]
