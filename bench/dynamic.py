"""Rows computed from the bytes of tokens, against rows that are stored: the lookup alone, and all-MiniLM-L6-v2 whole.

    python -m bench.dynamic --markdown dynamic.md

The lookup runs in ONNX Runtime on one thread, 128 ids in a call: running text with its own repetitions, tokens that are all different, and
sixteen tokens over and over. The whole model is exported with its float32 table, with computed rows, and with computed rows and a
projection, each with a float32 and an int8 body, and runs on one sequence of 128 tokens of that text. The contenders alternate; figures are medians.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as Shown
from tokenizers import Tokenizer

import edgeemb
from bench.lookup.timing import measure, processor
from bench.tables.timing import Timed
from edgeemb.bundle.manifest import read_manifest
from edgeemb.models.torch.model import Model
from edgeemb.native.libraries import find_library
from edgeemb.tables import encode
from edgeemb.text.sentences import sentences
from edgeemb.text.token_bytes import token_bytes

MODEL = "all-MiniLM-L6-v2"
COUNT = 128
#: Different tokens in the list that repeats them.
REPEATED = 16
GATHER, INT4, FUSED = "Gather fp32", "edgeemb int4:block=32", "edgeemb ngram:n=3"
#: Contenders of the lookup: spec, and whether the native library serves it.
LOOKUPS = {
    GATHER: ("fp32", False),
    INT4: ("int4:block=32", True),
    FUSED: ("ngram:n=3", True),
    f"{FUSED}, portable body": ("ngram:n=3", False),
}
#: Tables of the whole model; the first is what the others are compared with.
TABLES = {
    "fp32 table": "fp32",
    "ngram:n=3": "ngram:n=3",
    "ngram:n=3 with a projection": "ngram:n=3,proj=fp16",
}
BODIES: tuple[str, ...] = ("fp32", "int8")


def running_text(tokenizer: Tokenizer, text: Path | None) -> NDArray[np.int64]:
    """Ids of running text without special tokens.

    :param tokenizer: of the model.
    :param text: a file; None for the packaged sentences.
    """
    words = text.read_text("utf-8") if text else "\n".join(sentences())
    encoded = tokenizer.encode(words[: 1 << 16], add_special_tokens=False)
    return np.array(encoded.ids, np.int64)


def id_lists(ids: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """What is looked up, by what is said of it.

    :param ids: running text.
    :raises click.ClickException: if there are too few tokens.
    """
    _, first = np.unique(ids, return_index=True)
    different = ids[np.sort(first)]
    if len(different) < COUNT:
        raise click.ClickException(f"the text has {len(different)} different tokens: give {COUNT} or more")
    return {
        "running text": ids[:COUNT],
        "all different": different[:COUNT],
        f"{REPEATED} tokens repeated": np.resize(different[:REPEATED], COUNT),
    }


def call_of(timed: Timed) -> Callable[[int], int]:
    """A function that calls so many times, as nanoseconds."""
    return lambda repeats: int(timed.seconds(repeats) * repeats * 1e9)


def lookup_figures(
    model: Model, tokens: list[bytes], lists: dict[str, NDArray[np.int64]], rounds: int
) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """Microseconds of the lookup alone, by list of ids and contender; and bytes of each table.

    :param model: whose word table is looked up in.
    :param tokens: bytes of its tokens.
    :param lists: ids to look up.
    :param rounds: timings of each.
    """
    weight = model.table_weight("word")
    tables = {spec: encode(weight, spec, tokens=tokens) for spec, _ in LOOKUPS.values()}
    library = find_library("edgeemb_onnxruntime")
    times = {}
    for said, asked in lists.items():
        timed = {
            name: Timed(tables[spec], library if fused else None, asked)
            for name, (spec, fused) in LOOKUPS.items()
        }
        times[said] = measure({name: call_of(each) for name, each in timed.items()}, rounds)
    return times, {name: tables[spec].nbytes for name, (spec, _) in LOOKUPS.items()}


def model_figures(model: Model, ids: NDArray[np.int64], rounds: int, folder: Path) -> list[dict[str, object]]:
    """Milliseconds of the whole model and bytes of its bundle, by body and table.

    :param model: the original.
    :param ids: int64[COUNT], what it runs on.
    :param rounds: timings of each.
    :param folder: an empty folder for bundles.
    """
    feeds = {"input_ids": ids[None], "attention_mask": np.ones((1, len(ids)), np.int64)}
    figures: list[dict[str, object]] = []
    for body in BODIES:
        with ExitStack() as opened:
            calls, sizes = {}, {}
            for number, (name, spec) in enumerate(TABLES.items()):
                click.echo(f"export {name}, {body} body", err=True)
                path = edgeemb.export(model, folder / f"{body}{number}", table=spec, body=body, ops="builtin")
                session = opened.enter_context(edgeemb.open(path, ops="custom", threads=1))
                calls[name] = Whole(session.run, feeds)
                sizes[name] = read_manifest(path).sizes
            times = measure(dict(calls), rounds)
        first = times[next(iter(TABLES))]
        for name, microseconds in times.items():
            figures.append(
                {
                    "table": name,
                    "body": body,
                    "ms": microseconds / 1000,
                    "ratio": microseconds / first,
                    "table bytes": sizes[name]["tables"],
                    "model bytes": sizes[name]["tables"] + sizes[name]["body"],
                }
            )
    return figures


class Whole:
    """Calls of a whole model.

    :param run: takes the feeds.
    :param feeds: what it runs on.
    """

    def __init__(
        self, run: Callable[[dict[str, NDArray[np.int64]]], object], feeds: dict[str, NDArray[np.int64]]
    ) -> None:
        self.run, self.feeds = run, feeds

    def __call__(self, repeats: int) -> int:
        """Nanoseconds of so many calls."""
        start = time.perf_counter_ns()
        for _ in range(repeats):
            self.run(self.feeds)
        return time.perf_counter_ns() - start


def lookup_lines(times: dict[str, dict[str, float]], sizes: dict[str, int]) -> list[list[str]]:
    """The table of the lookup, its heads first."""
    lines = [["lookup of 128 ids, microseconds", "table MB", *times]]
    for name in LOOKUPS:
        lines.append([name, f"{sizes[name] / 1e6:.2f}", *(f"{each[name]:.4g}" for each in times.values())])
    for peer in (INT4, GATHER):
        lines.append(
            [f"{FUSED} / {peer}", "", *(f"{each[FUSED] / each[peer]:.2f}x" for each in times.values())]
        )
    return lines


def model_lines(figures: list[dict[str, object]]) -> list[list[str]]:
    """The table of the whole model, its heads first."""
    lines = [["whole model, 128 tokens", "body", "table MB", "model MB", "ms", "to the fp32 table"]]
    for each in figures:
        sizes = [f"{int(str(each[key])) / 1e6:.2f}" for key in ("table bytes", "model bytes")]
        lines.append(
            [str(each["table"]), str(each["body"]), *sizes, f"{each['ms']:.3f}", f"{each['ratio']:.3f}x"]
        )
    return lines


@click.command()
@click.option("--text", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="English text.")
@click.option("--rounds", default=41, show_default=True, help="Timings of each contender.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures here.")
@click.option("--markdown", "markdown_path", type=click.Path(path_type=Path), help="Write the tables here.")
def main(text: Path | None, rounds: int, json_path: Path | None, markdown_path: Path | None) -> None:
    """Measure computed rows against stored ones."""
    model = edgeemb.load(MODEL)
    if not isinstance(model, Model) or model.tokenizer_json is None:
        raise click.ClickException(f"{MODEL} is not a torch model with a tokenizer")
    ids = running_text(Tokenizer.from_str(model.tokenizer_json), text)
    lists = id_lists(ids)
    tokens = token_bytes(model.tokenizer_json, model.table("word").rows)
    times, sizes = lookup_figures(model, tokens, lists, rounds)
    with tempfile.TemporaryDirectory(prefix="edgeemb-dynamic-") as folder:
        whole = model_figures(model, lists["running text"], rounds, Path(folder))
    lengths = {
        said: float(np.mean([len(tokens[number]) for number in asked])) for said, asked in lists.items()
    }
    said = ", ".join(f"{name} {mean:.1f}" for name, mean in lengths.items())
    note = (
        f"ONNX Runtime {version('onnxruntime')}, 1 thread, {processor()}. Bytes of a token, marker included: {said}; "
        f"different tokens in the running text: {len(np.unique(lists['running text']))} of {COUNT}."
    )
    console = Console(width=160)
    pages = [lookup_lines(times, sizes), model_lines(whole)]
    for heads, *lines in pages:
        shown = Shown(*heads, box=None)
        for line in lines:
            shown.add_row(*line)
        console.print(shown)
    console.print(note)
    if json_path:
        found = {"note": note, "lookup": times, "bytes": sizes, "model": whole}
        json_path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if markdown_path:
        text_lines = [note, ""]
        for heads, *lines in pages:
            rows = [heads, ["---", *["---:"] * (len(heads) - 1)], *lines]
            text_lines += [*(f"| {' | '.join(row)} |" for row in rows), ""]
        markdown_path.write_text("\n".join(text_lines), "utf-8")


if __name__ == "__main__":
    main()
