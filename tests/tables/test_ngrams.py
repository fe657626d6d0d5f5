"""Dynamic embeddings: the numpy definition against a plain reading of docs/codecs/ngram.md, and the vectors that every implementation reproduces."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgeemb.errors import SpecError
from edgeemb.tables import encode
from edgeemb.tables.ngrams import (
    LANES,
    MAX_TOKEN_BYTES,
    MODULUS,
    draw_seeds,
    join_tokens,
    ngram_rows,
    pad_tokens,
    parts_of,
    rows_of_tokens,
)
from edgeemb.text.token_bytes import token_bytes
from edgeemb.torch_tables.module import TableModule, fused, portable
from edgeemb.torch_tables.ngram import ngram_bytes
from tests.fixtures.tokenizers.small import KINDS, load, tokenizer_json
from tests.golden.make_ngram import golden
from tests.places import TESTS

GOLDEN = TESTS / "golden" / "ngram.json"

tokens_of_any_length = st.lists(
    st.binary(max_size=40).map(lambda token: token.replace(b"\0", b"")), max_size=6
)
forms = st.tuples(st.integers(1, 5), st.sampled_from(LANES), st.integers(0, 3)).map(
    lambda form: (form[0], form[1], form[1] * (form[0] * (form[0] + 1) // 2 + form[2]))
)


def plain_row(token: bytes, seeds: list[int], bases: list[int], n: int) -> list[np.float32]:
    """The page's words in Python's own integers."""
    lanes, row = len(bases), [np.float32(0)] * len(seeds)
    for size, (low, high) in enumerate(parts_of(n, lanes, len(seeds)), start=1):
        grams = [token[at : at + size] for at in range(len(token) - size + 1)] or [token]
        for j in range(low, high) if token else ():
            total = 0
            for gram in grams:
                h = 0
                for byte in gram:
                    h = (h * bases[(j - low) % lanes] + byte + 1) % MODULUS
                total += h * seeds[j] % MODULUS - 2046
            row[j] = np.float32(total) * (np.float32(1) / np.float32(2046 * len(grams)))
    return row


@given(tokens_of_any_length, forms, st.integers(0, 99))
def test_follows_the_page(tokens: list[bytes], form: tuple[int, int, int], seed: int) -> None:
    n, lanes, dim = form
    seeds, bases = draw_seeds(lanes, dim, seed)
    cut = [token[:MAX_TOKEN_BYTES] for token in tokens]
    want = [plain_row(token, seeds.tolist(), bases.tolist(), n) for token in cut]
    joined, starts = join_tokens(tokens)
    rows = rows_of_tokens(joined, starts, np.arange(len(tokens)), seeds, bases, n)
    np.testing.assert_array_equal(rows, np.array(want, np.float32).reshape(-1, dim))


@given(tokens_of_any_length, forms)
def test_takes_padded_bytes_in_torch_too(tokens: list[bytes], form: tuple[int, int, int]) -> None:
    n, lanes, dim = form
    seeds, bases = draw_seeds(lanes, dim, 1)
    padded = pad_tokens(tokens, MAX_TOKEN_BYTES)
    lengths = np.array([min(len(token), MAX_TOKEN_BYTES) for token in tokens], np.int64)
    inputs = [torch.from_numpy(array) for array in (padded, seeds, bases)]
    want = ngram_rows(padded, lengths, seeds, bases, n)
    np.testing.assert_array_equal(ngram_bytes(*inputs, n).numpy(), want)
    np.testing.assert_array_equal(torch.ops.edgeemb.ngram_bytes(*inputs, n).numpy(), want)


def test_ends_a_padded_token_at_its_first_zero() -> None:
    seeds, bases = (torch.from_numpy(array) for array in draw_seeds(4, 24, 0))
    ended = torch.tensor([[2, 97, 0, 0]], dtype=torch.uint8)
    followed = torch.tensor([[2, 97, 0, 98]], dtype=torch.uint8)
    assert torch.equal(ngram_bytes(ended, seeds, bases, 3), ngram_bytes(followed, seeds, bases, 3))


def test_cuts_padded_tokens_at_the_limit() -> None:
    seeds, bases = (torch.from_numpy(array) for array in draw_seeds(4, 24, 0))
    long = torch.full((1, MAX_TOKEN_BYTES + 8), 97, dtype=torch.uint8)
    assert torch.equal(
        ngram_bytes(long, seeds, bases, 3), ngram_bytes(long[:, :MAX_TOKEN_BYTES], seeds, bases, 3)
    )


def test_reproduces_the_golden_vectors() -> None:
    golden = json.loads(GOLDEN.read_text())
    for form in golden["forms"]:
        seeds, bases = draw_seeds(form["lanes"], form["dim"], form["seed"])
        assert seeds.tolist() == form["seeds"]
        assert bases.tolist() == form["bases"]
        tokens, starts = join_tokens([bytes.fromhex(token) for token in golden["tokens"]])
        index = np.arange(len(golden["tokens"]))
        rows = rows_of_tokens(tokens, starts, index, seeds, bases, form["n"])
        assert [row.astype("<f4").tobytes().hex() for row in rows] == form["rows"]


@pytest.mark.parametrize(
    "spec", ["ngram:n=3", "ngram:n=2,dim=192,lanes=4", "mixed:9=int8,*=ngram:n=4,lanes=2"]
)
def test_gives_the_same_bits_in_torch(spec: str) -> None:
    random = np.random.default_rng(3)
    tokens = [b"", *(random.integers(1, 256, size).astype(np.uint8).tobytes() for size in range(1, 40))]
    weight = random.standard_normal((40, 96)).astype(np.float32)
    table = encode(weight, spec, tokens=tokens, frequency=np.arange(40, 0, -1).astype(np.float64))
    ids = random.integers(0, 40, (2, 30))
    for lookups in (portable, fused):
        rows = TableModule(table, lookups)(torch.from_numpy(ids)).numpy()
        if "dim=" in spec:
            np.testing.assert_allclose(rows, table.rows(ids), rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(rows, table.rows(ids))


def test_comes_nearer_to_the_table_with_a_larger_projection() -> None:
    random = np.random.default_rng(4)
    tokens = [f"\2word{number}".encode() for number in range(500)]
    weight = random.standard_normal((500, 24)).astype(np.float32)
    small, large = (
        np.square(encode(weight, f"ngram:dim={dim},proj=fp32", tokens=tokens).reconstruct() - weight).mean()
        for dim in (48, 480)
    )
    assert large < small < np.square(weight).mean()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("ngram:lanes=3", "lanes=3"),
        ("ngram:n=0", "n=0"),
        ("ngram:n=9", "n=9"),
        ("ngram:dim=100", "multiple of lanes"),
        ("ngram:dim=16", "does not suit"),
        ("ngram:dim=192,proj=none", "without a projection"),
        ("ngram:proj=int3", "proj=int3"),
    ],
)
def test_refuses_a_form_that_cannot_be(spec: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        encode(np.ones((4, 96), np.float32), spec, tokens=[b"a", b"b", b"c", b"d"])


def test_refuses_a_table_without_tokens() -> None:
    with pytest.raises(SpecError, match="text of their tokens"):
        encode(np.ones((4, 96), np.float32), "ngram")


@pytest.mark.parametrize("kind", KINDS)
def test_knows_the_text_of_every_kind_of_token(kind: str) -> None:
    text = tokenizer_json(kind)
    tokenizer = load(text)
    known = token_bytes(text, tokenizer.get_vocab_size() + 3)
    assert known[-3:] == [b"", b"", b""]
    pieces = [known[number] for number in tokenizer.encode("the statements", add_special_tokens=False).ids]
    assert pieces[0][:1] == (b"\1" if kind == "bpe of bytes" else b"\2")
    assert b"".join(piece[1:] for piece in pieces) == b"thestatements"
    assert all(piece[:1] in (b"\1", b"\2") for piece in pieces)


def test_leaves_special_tokens_their_names() -> None:
    text = tokenizer_json("wordpiece")
    known = token_bytes(text, 5)
    assert known == [b"[PAD]", b"[UNK]", b"[CLS]", b"[SEP]", b"[MASK]"]


def test_keeps_the_golden_vectors_as_they_were_written() -> None:
    assert json.loads(GOLDEN.read_text()) == golden()
