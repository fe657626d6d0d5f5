"""Output layers over a packed table, one vector at a time: ours against ONNX Runtime's MatMulNBits, in alternation.

    python -m bench.heads [--threads 1] [--rounds 15] [--quality [--texts FILE ...]]

Prints, for each size of a vocabulary, the least and the median milliseconds of a call, the bytes that it reads, and how much of them in a
second. ``QuantizedTop`` gives the 40 best, ``ShortlistTop`` those of 512 rows that a scan chooses. ``CodebookLogits`` has a code for every 4
elements, as ``pq`` stores them, or for every 16; its peer is the product with float rows that its portable body becomes. ``--quality`` adds what quantising the
vectors costs on all-MiniLM-L6-v2, its table as output layer of its own states, and how often cheaper products, such as those of the scan, find
the best token, and the 40 best, among their first candidates: over the packaged sentences, or the lines of text files.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeemb.exporters.onnx.functions import DOMAIN, VERSION
from edgeemb.models.torch.model import Model
from edgeemb.native.libraries import find_library
from edgeemb.native.top import quantized_top, shortlist_top
from edgeemb.tables import encode
from edgeemb.tables.logits import quantized_products
from edgeemb.tables.program import unpack_codes
from edgeemb.tables.shortlist import fit_shortlist

TOP, CANDIDATES = 40, 512
SHAPES = ((30522, 384), (151936, 1024), (262144, 640))
BITS, BLOCK = 4, 32
#: Elements that a code of a codebook stands for.
PARTS = (4, 16)
_OURS, _PEER, _PEER8 = (
    "QuantizedLogits, 15 bits",
    "MatMulNBits, float vectors",
    "MatMulNBits, 8 bits (accuracy_level 4)",
)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quality", action="store_true", help="what quantising the vectors costs")
    parser.add_argument("--texts", nargs="*", default=[], help="text files, one text a line, 300 of each")
    asked = parser.parse_args()
    for rows, dim in SHAPES:
        measure(rows, dim, asked.threads, asked.rounds)
    if asked.quality:
        quality(_lines(asked.texts))


def measure(rows: int, dim: int, threads: int, rounds: int) -> None:
    """One size.

    :param rows: of the table.
    :param dim: columns.
    :param threads: of each session.
    :param rounds: alternating calls of each contender.
    """
    random = np.random.default_rng(0)
    codes = random.integers(0, 256, (rows, dim // 2), dtype=np.uint8)
    scales = random.random((rows, dim // BLOCK), np.float32) + np.float32(0.5)
    hidden = random.standard_normal((1, dim), np.float32)
    contenders: dict[str, tuple[Callable[[], Any], int]] = {
        _OURS: (
            session(ours(codes, scales.astype(np.float16), dim), hidden, threads),
            codes.nbytes + scales.nbytes // 2,
        )
    }
    half = scales.astype(np.float16)
    row = dim // 2 + dim // BLOCK * 2
    contenders[f"QuantizedTop, the {TOP} best"] = (
        session(best(codes, half, dim, {}), hidden, threads),
        rows * row,
    )
    listed = random_shortlist(rows, dim)
    contenders[f"ShortlistTop, {CANDIDATES} candidates"] = (
        session(best(codes, half, dim, listed), hidden, threads),
        sum(array.nbytes for array in listed.values()) + CANDIDATES * row,
    )
    for name, level in ((_PEER8, 4), (_PEER, 1)):
        contenders[name] = (
            session(peer(codes, scales, dim, level), hidden, threads),
            codes.nbytes + scales.nbytes,
        )
    for part in PARTS:
        arrays = random_codebooks(rows, dim, part)
        contenders[f"CodebookLogits, {part} elements a code"] = (
            session(over_codebooks(arrays, dim), hidden, threads),
            sum(array.nbytes for array in arrays.values()),
        )
    weight = random.standard_normal((dim, rows), np.float32)
    contenders["MatMul, float"] = (session(plain(weight), hidden, threads), weight.nbytes)
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, (call, _) in contenders.items():
            start = time.perf_counter()
            call()
            taken[name].append(1e3 * (time.perf_counter() - start))
    print(
        f"{rows} x {dim}, one vector, {threads} threads; int4 in blocks of {BLOCK}, but for codebooks and floats"
    )
    for name, (_, size) in contenders.items():
        least = min(taken[name])
        print(
            f"  {name:40} {least:8.2f} ms least {statistics.median(taken[name]):8.2f} median"
            f" {size / 1e6:7.1f} MB {size / least / 1e6:6.1f} GB/s"
        )


def session(model: onnx.ModelProto, hidden: NDArray[np.float32], threads: int) -> Callable[[], Any]:
    """A call of ONNX Runtime.

    :param model: a model of one node.
    :param hidden: what it takes.
    :param threads: within the op.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.register_custom_ops_library(str(find_library("edgeemb_onnxruntime")))
    opened = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    opened.run(None, {"hidden": hidden})
    return lambda: opened.run(None, {"hidden": hidden})


def ours(codes: NDArray[np.uint8], scales: NDArray[np.float16], dim: int) -> onnx.ModelProto:
    """Our op.

    :param codes: uint8[V, D / 2], planar.
    :param scales: float16[V, D / 32].
    :param dim: D.
    """
    node = helper.make_node(
        "QuantizedLogits",
        ["hidden", "codes", "scales"],
        ["logits"],
        domain=DOMAIN,
        bits=BITS,
        dim=dim,
        block=BLOCK,
    )
    return _model(node, {"codes": codes, "scales": scales}, (len(codes), dim), (DOMAIN, VERSION))


def random_codebooks(rows: int, dim: int, part: int) -> dict[str, NDArray[Any]]:
    """The arrays of a table of codebooks of 256 entries: which codes they are does not matter for time.

    :param rows: of the table.
    :param dim: columns.
    :param part: elements of an entry.
    """
    random = np.random.default_rng(2)
    books = dim // part
    return {
        "codes": random.integers(0, 256, (rows, books), dtype=np.uint8),
        "codebooks": random.standard_normal((books, 256, part), np.float32).astype(np.float16),
    }


def over_codebooks(arrays: dict[str, NDArray[Any]], dim: int) -> onnx.ModelProto:
    """Our op over codebooks.

    :param arrays: what `random_codebooks` gave.
    :param dim: D.
    """
    node = helper.make_node("CodebookLogits", ["hidden", *arrays], ["logits"], domain=DOMAIN, dim=dim)
    return _model(node, arrays, (len(arrays["codes"]), dim), (DOMAIN, VERSION))


def plain(weight: NDArray[np.float32]) -> onnx.ModelProto:
    """A product in float32.

    :param weight: float32[D, V].
    """
    dim, rows = weight.shape
    node = helper.make_node("MatMul", ["hidden", "weight"], ["logits"])
    return _model(node, {"weight": weight}, (rows, dim), (DOMAIN, VERSION))


def random_shortlist(rows: int, dim: int) -> dict[str, NDArray[Any]]:
    """The arrays of a shortlist with as many codes as a table has: which ones they are does not matter for time.

    :param rows: of the table.
    :param dim: columns.
    """
    random = np.random.default_rng(1)
    shape = fit_shortlist(np.zeros((1, dim), np.float32))
    blocks = -(-rows // 64)
    return {
        "list_codes": random.integers(0, 256, (blocks, *shape.codes.shape[1:]), dtype=np.uint8),
        "list_scales": random.random(blocks * 64, np.float32) + np.float32(0.5),
        "codebook": random.standard_normal(shape.codebook.shape, np.float32),
    }


def best(
    codes: NDArray[np.uint8], scales: NDArray[np.float16], dim: int, listed: dict[str, NDArray[Any]]
) -> onnx.ModelProto:
    """Our op for the best logits.

    :param codes: uint8[V, D / 2], planar.
    :param scales: float16[V, D / 32].
    :param dim: D.
    :param listed: the arrays of a shortlist; none for the best of all.
    """
    options = {"bits": BITS, "dim": dim, "block": BLOCK, "planes": 1, "top": TOP}
    if listed:
        options["candidates"] = CANDIDATES
    bias = np.zeros(1, np.float32)
    arrays: dict[str, NDArray[Any]] = {"codes": codes, "scales": scales, "bias": bias, **listed}
    node = helper.make_node(
        f"{'Shortlist' if listed else 'Quantized'}Top{BITS}",
        ["hidden", *arrays],
        ["logits", "tokens"],
        domain=DOMAIN,
    )
    node.attribute.extend(helper.make_attribute(name, value) for name, value in options.items())
    model = _model(node, arrays, (TOP, dim), (DOMAIN, VERSION))
    model.graph.output.append(helper.make_tensor_value_info("tokens", TensorProto.INT64, ["n", TOP]))
    return model


def peer(codes: NDArray[np.uint8], scales: NDArray[np.float32], dim: int, level: int) -> onnx.ModelProto:
    """ONNX Runtime's op, over as many codes in its own layout: which ones they are does not matter for time.

    :param codes: uint8[V, D / 2].
    :param scales: float32[V, D / 32].
    :param dim: D.
    :param level: ``accuracy_level``: 1 for float vectors, 4 for vectors in 8 bits.
    """
    options: dict[str, Any] = {"K": dim, "N": len(codes), "bits": BITS, "block_size": BLOCK}
    options["accuracy_level"] = level
    node = helper.make_node(
        "MatMulNBits", ["hidden", "codes", "scales"], ["logits"], domain="com.microsoft", **options
    )
    arrays: dict[str, NDArray[Any]] = {
        "codes": codes.reshape(len(codes), dim // BLOCK, BLOCK // 2),
        "scales": scales.reshape(-1),
    }
    return _model(node, arrays, (len(codes), dim), ("com.microsoft", 1))


def _model(
    node: onnx.NodeProto, arrays: dict[str, NDArray[Any]], shape: tuple[int, int], domain: tuple[str, int]
) -> onnx.ModelProto:
    rows, dim = shape
    graph = helper.make_graph(
        [node],
        "head",
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["n", dim])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", rows])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(*domain)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _lines(files: list[str]) -> list[str]:
    """Texts evenly spread over files; without any the packaged sentences."""
    from edgeemb.text.sentences import sentences

    found: list[str] = []
    for name in files:
        lines = [line for line in Path(name).read_text("utf-8").splitlines() if len(line) > 40]
        found += [lines[place * len(lines) // 100] for place in range(min(100, len(lines)))]
    return found or sentences()


def quality(texts: list[str]) -> None:
    """What quantising the vectors costs: states of all-MiniLM-L6-v2 against its own table in int4.

    :param texts: whose tokens' states a scan is tried on.
    """
    from edgeemb.models.loading import load_torch
    from edgeemb.text.sentences import sentences

    model = load_torch("sentence-transformers/all-MiniLM-L6-v2")
    table = encode(model.table_weight("word"), f"int4:block={BLOCK}")
    rows = table.reconstruct()
    scan_recall(_states(model, texts), rows, table.arrays)
    states = _states(model, sentences())
    exact = states.astype(np.float64) @ rows.T.astype(np.float64)
    largest = np.abs(states).max(axis=1, keepdims=True)
    step = largest / 127
    eight = (np.rint(states / step) * step).astype(np.float64) @ rows.T.astype(np.float64)
    arrays = table.arrays
    fifteen = quantized_products(states, arrays["codes"], arrays["scales"], BITS, BLOCK)
    for name, found in (("8 bits", eight), ("15 bits", fifteen)):
        error = np.abs(found - exact).max() / np.abs(exact).max()
        same = (found.argmax(axis=1) == exact.argmax(axis=1)).mean()
        print(
            f"vectors in {name}: largest error {error:.1e} of the largest logit, the best token is the same for {same:.2%} of {len(exact)}"
        )
    two_bits = (np.floor(unpack_codes(arrays["codes"], BITS, states.shape[1]) / 4) * 4 - 6.5).astype(
        np.float32
    )
    scales = arrays["scales"].astype(np.float32)
    two_bits *= np.repeat(scales, BLOCK, axis=1)
    signs = np.where(rows < 0, -1, 1).astype(np.float32)
    signs *= np.repeat(np.abs(rows).reshape(*scales.shape, BLOCK).mean(axis=2), BLOCK, axis=1)
    coarse = {
        "vectors in 8 bits": eight,
        "the high 2 bits of each code": states @ two_bits.T,
        "signs and the mean of a block": states @ signs.T,
    }
    for name, found in coarse.items():
        for count in (64, 128, 256, 512, 1024):
            one, forty = (recall(exact, found, wanted, count) for wanted in (1, 40))
            print(f"{name}, {count} candidates: the best token for {one:.2%}, {forty:.2%} of the 40 best")


def scan_recall(
    states: NDArray[np.float32], rows: NDArray[np.float32], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """How often the candidates of a scan hold the best token, and which part of the 40 best.

    :param states: float32[N, D].
    :param rows: those of the table.
    :param arrays: of the table.
    """
    packed = (arrays["codes"], arrays["scales"], (BITS, BLOCK, 1))
    wanted = quantized_top(states, *packed, TOP)[1]
    for part in (2, 3, 4):
        shortlist = fit_shortlist(rows, part)
        listed = (shortlist.codes, shortlist.scales, shortlist.codebook)
        for count in (64, 128, 256, 512, 1024, 2048):
            found = shortlist_top(states, *packed, listed, count, count)[1]
            there = np.stack([np.isin(*pair) for pair in zip(wanted, found, strict=True)])
            print(
                f"scan, {part} elements a code, {shortlist.nbytes / 1e6:.2f} MB, {count} candidates: the best token for "
                f"{there[:, 0].mean():.2%} of {len(there)}, {there.mean():.2%} of the {TOP} best"
            )


def recall(exact: NDArray[Any], coarse: NDArray[Any], wanted: int, count: int) -> float:
    """How many of the best rows are among the candidates that coarse products choose.

    :param exact: logits [N, V].
    :param coarse: those of the same vectors, computed more cheaply.
    :param wanted: the best rows that count.
    :param count: candidates.
    """
    best = np.argpartition(-exact, wanted, axis=1)[:, :wanted]
    chosen = np.zeros(exact.shape, bool)
    np.put_along_axis(chosen, np.argpartition(-coarse, count, axis=1)[:, :count], True, axis=1)
    return float(np.take_along_axis(chosen, best, axis=1).mean())


def _states(model: Model, texts: list[str]) -> NDArray[np.float32]:
    """The vectors of the tokens of some texts, before they are pooled: float32[tokens, D]."""
    from tokenizers import Tokenizer

    assert model.tokenizer_json is not None
    tokenizer = Tokenizer.from_str(model.tokenizer_json)
    body = model.module.get_submodule("body")
    found = []
    for text in texts:
        ids = torch.tensor([tokenizer.encode(text).ids[:128]])
        with torch.no_grad():
            found.append(body(input_ids=ids).last_hidden_state[0].numpy())
    return np.concatenate(found)


if __name__ == "__main__":
    main()
