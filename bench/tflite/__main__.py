"""all-MiniLM-L6-v2 in LiteRT: our exports beside the recipe of ai-edge-quantizer, in size, cosine, latency and memory.

    python -m bench.tflite                 # everything, as markdown
    python -m bench.tflite --runs 300      # more runs for each latency
    python -m bench.tflite memory          # resident memory alone

The peer is ai-edge-quantizer on the same converted model: dynamic int8 for FULLY_CONNECTED and dynamic int4 for EMBEDDING_LOOKUP (and
int2 for the last comparison). Latencies alternate in one process, one thread. Memory is the median of fresh processes, in turns: anonymous
pages; pages of the model's own file, of which as many come with a page fault as the page cache holds together; and the runtime's code.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgeemb
from bench.tflite.process import LENGTHS, interpreter, resident, runner
from edgeemb.body.grids import Grids
from edgeemb.exporters.tflite.body import convert_body, expand_ops
from edgeemb.exporters.tflite.convert import convert
from edgeemb.exporters.tflite.graph import Constants, Graph, add_signature
from edgeemb.exporters.tflite.policy import RUNTIMES
from edgeemb.exporters.tflite.tables import replace_table, tidy
from edgeemb.metrics import cosine
from edgeemb.models.tflite.flatbuffer import pack_tflite, parse_tflite, write_tflite
from edgeemb.models.tflite.tables import find_tables
from edgeemb.tables import encode
from edgeemb.text.sentences import sentences

IDS = 128
PROCESSES = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("all", "memory"), default="all")
    parser.add_argument("--runs", type=int, default=100, help="runs for each latency")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = edgeemb.load("all-MiniLM-L6-v2")
        paths = _write_models(model, Path(scratch))
        if options.what == "all":
            _compare(model, paths, options.runs)
        _resident(paths)
        if options.what == "all":
            _lookups(Path(scratch), 10 * options.runs)


def _write_models(model: Any, folder: Path) -> dict[str, tuple[Path, str]]:
    """Model files, and the kind of their ops, by what is printed for them; the first is the peer."""
    converted = pack_tflite(convert(model, LENGTHS, {}))
    weight = model.table_weight("word")
    paths: dict[str, tuple[Path, str]] = {}
    for bits in (4, 2):
        paths[f"peer, int{bits} table"] = (_peer(converted, bits, folder / f"peer{bits}.tflite"), "builtin")
    for spec in ("int4:block=32", "int2:block=16"):
        table = encode(weight, spec)
        for ops in ("builtin", "custom"):
            body = parse_tflite(converted, "converted")
            changed, _ = convert_body(body, "int8", Grids(), native=ops == "custom")
            found = next(entry for entry in find_tables(changed) if entry.weight.shape == weight.shape)
            constants = Constants(changed)
            replace_table(
                changed, constants, found, table, "word", RUNTIMES["tflite"], custom=ops == "custom"
            )
            expand_ops(changed, constants, RUNTIMES["tflite"])
            tidy(changed)
            path = folder / f"{spec.replace(':', '_')}_{ops}.tflite"
            write_tflite(changed, path)
            paths[f"{spec}, {ops}"] = (path, ops)
    return paths


def _compare(model: Any, paths: dict[str, tuple[Path, str]], runs: int) -> None:
    texts = sentences()
    ids = [row.tolist() for row in _tokens(model.tokenizer_json, texts)]
    expected = np.concatenate(
        [
            model.reference(
                {"input_ids": np.array([row]), "attention_mask": np.ones((1, len(row)), np.int64)}
            )[0]
            for row in ids
        ]
    )
    names = list(paths)
    latency = {
        length: _alternate([runner(interpreter(*paths[name]), length) for name in names], length, runs)
        for length in LENGTHS
    }
    print(
        f"all-MiniLM-L6-v2, int8 body, {len(texts)} sentences, one thread, medians of {runs} alternating runs\n"
    )
    print("| model | MB | cosine mean / least | ms at 16 / 128 | ratio to the peer |")
    print("|---|---|---|---|---|")
    for place, name in enumerate(names):
        path, ops = paths[name]
        run = runner(interpreter(path, ops), 16)
        similarity = cosine(expected, np.concatenate([_vector(run, row) for row in ids]))
        times = [latency[length][place] for length in LENGTHS]
        ratios = [latency[length][place] / latency[length][0] for length in LENGTHS]
        print(
            f"| {name} | {path.stat().st_size / 1e6:.2f} | {similarity.mean():.4f} / {similarity.min():.4f} "
            f"| {times[0]:.2f} / {times[1]:.2f} | {ratios[0]:.3f} / {ratios[1]:.3f} |"
        )
    print()


def _resident(paths: dict[str, tuple[Path, str]]) -> None:
    """What each model adds to a process, in MB."""
    found: dict[str, list[dict[str, int]]] = {name: [] for name in paths}
    for _ in range(PROCESSES):
        for name, (path, ops) in paths.items():
            found[name].append(resident(path, ops))
    print(
        f"Resident memory after runs at {LENGTHS} tokens, MB, medians of {PROCESSES} processes (least to most)\n"
    )
    print("| model | anonymous | its own file | runtime code |")
    print("|---|---|---|---|")
    for name, values in found.items():
        cells = []
        for kind in ("anonymous", "model", "code"):
            own = sorted(value[kind] / 1e6 for value in values)
            cells.append(f"{median(own):.1f} ({own[0]:.1f} to {own[-1]:.1f})")
        print(f"| {name} | {' | '.join(cells)} |")
    print()


def _tokens(tokenizer_json: str, texts: Sequence[str]) -> list[NDArray[np.int64]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_padding()
    tokenizer.enable_truncation(16)
    return [np.array(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]


def _peer(converted: bytes, bits: int, path: Path) -> Path:
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.quantizer import Quantizer

    quantizer = Quantizer(converted)
    quantizer.add_dynamic_config(".*", qtyping.TFLOperationName.FULLY_CONNECTED, 8)
    quantizer.add_dynamic_config(".*", qtyping.TFLOperationName.EMBEDDING_LOOKUP, bits)
    path.write_bytes(bytes(quantizer.quantize(enable_progress_report=False).quantized_model))
    return path


def _vector(run: Any, ids: Sequence[int]) -> NDArray[np.float32]:
    return np.asarray(run(ids), np.float32)


def _alternate(runs_of: Sequence[Any], length: int, runs: int) -> list[float]:
    """Median milliseconds of each, taken in turns whose order is shuffled: a fixed one may keep step with other work."""
    times: list[list[float]] = [[] for _ in runs_of]
    random = np.random.default_rng(0)
    for number in range(runs + 5):
        ids = random.integers(1000, 30000, length)
        for place in random.permutation(len(runs_of)):
            begin = time.perf_counter()
            runs_of[place](ids)
            if number >= 5:
                times[place].append(1e3 * (time.perf_counter() - begin))
    return [median(own) for own in times]


def _lookups(folder: Path, runs: int) -> None:
    """One lookup of 30522 x 384 and nothing else."""
    weight = (0.05 * np.random.default_rng(0).standard_normal((30522, 384))).astype(np.float32)
    paths: dict[str, tuple[Path, str]] = {
        "EMBEDDING_LOOKUP int4 per row (peer)": (_peer_lookup(weight, folder), "builtin")
    }
    for spec in ("int8", "int4", "int4:block=32", "int2:block=16", "binary:block=32"):
        table = encode(weight, spec)
        for ops in ("builtin", "custom"):
            model = _lookup_model(weight)
            replace_table(
                model,
                Constants(model),
                find_tables(model)[0],
                table,
                "word",
                RUNTIMES["tflite"],
                custom=ops == "custom",
            )
            tidy(model)
            path = folder / f"lookup_{spec.replace(':', '_')}_{ops}.tflite"
            write_tflite(model, path)
            paths[f"{spec}, {ops}"] = (path, ops)
    runners = []
    for path, ops in paths.values():
        opened = interpreter(path, ops)
        opened.allocate_tensors()
        opened.set_tensor(
            opened.get_input_details()[0]["index"],
            np.random.default_rng(1).integers(0, 30522, IDS).astype(np.int32),
        )
        runners.append(opened)
    times: list[list[float]] = [[] for _ in runners]
    random = np.random.default_rng(0)
    for number in range(runs + 20):
        for place in random.permutation(len(runners)):
            begin = time.perf_counter_ns()
            runners[place].invoke()
            if number >= 20:
                times[place].append((time.perf_counter_ns() - begin) / 1e3)
    base = median(times[0])
    print(f"One lookup of {IDS} ids in 30522 x 384, one thread, medians of {runs} alternating runs\n")
    print("| lookup | microseconds | ratio to the peer |")
    print("|---|---|---|")
    for name, own in zip(paths, times, strict=True):
        print(f"| {name} | {median(own):.1f} | {median(own) / base:.2f} |")


def _lookup_model(weight: NDArray[np.float32]) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    model, subgraph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, b"lookup"
    model.operatorCodes, model.metadata, model.metadataBuffer, model.buffers = [], [], [], [schema.BufferT()]
    model.subgraphs, subgraph.tensors, subgraph.name = [subgraph], [], b"main"
    graph = Graph(Constants(model), subgraph, "lookup")
    ids = graph.tensor((IDS,), "int32", "ids", 0)
    rows = graph.op("EMBEDDING_LOOKUP", [ids, graph.constant(weight, "table")], (IDS, weight.shape[1]))
    subgraph.inputs, subgraph.outputs, subgraph.operators = [ids], [rows], graph.operators
    add_signature(model)
    return model


def _peer_lookup(weight: NDArray[np.float32], folder: Path) -> Path:
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.quantizer import Quantizer

    quantizer = Quantizer(pack_tflite(_lookup_model(weight)))
    quantizer.add_dynamic_config(".*", qtyping.TFLOperationName.EMBEDDING_LOOKUP, 4)
    path = folder / "peer_lookup.tflite"
    path.write_bytes(bytes(quantizer.quantize(enable_progress_report=False).quantized_model))
    return path


if __name__ == "__main__":
    main()
