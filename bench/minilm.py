"""all-MiniLM-L6-v2 whole: the recipes that a user of ONNX Runtime has today, against edgeemb's, in one run.

    python -m bench.minilm --sts dev.tsv --markdown minilm.md

Every contender is a bundle on disk with the same tokenizer, pooling and normalisation in its graph. Cosine is to the float32 model in
PyTorch over the packaged sentences. Latency: the contenders alternate, one sentence at a time, on one thread; the ratio is the
median over the turns. Memory: a fresh process, peak above that of a process that only imported the runtime. ``--sts`` takes
scored pairs (score, sentence, sentence); without it that column is empty.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click
import onnx
from onnx.external_data_helper import convert_model_to_external_data
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import (
    DefaultWeightOnlyQuantConfig,
    MatMulNBitsQuantizer,
)
from rich.console import Console
from rich.table import Table

import edgeemb
from edgeemb.bundle.manifest import Manifest, read_manifest
from edgeemb.bundle.writing import file_entries
from edgeemb.devices.measurement import Report
from edgeemb.devices.plan import ProfilePlan
from edgeemb.exporters.onnx.trace import trace
from edgeemb.exporters.parity import compare as parity_of
from edgeemb.models.torch.model import Model
from edgeemb.quiet import quiet
from edgeemb.report.comparison import compare
from edgeemb.runtimes import OpenOptions, open_folder

#: What the latency ratios refer to.
REFERENCE = "quantize_dynamic, per channel"

LENGTHS = (16, 128)


def float32(graph: onnx.ModelProto, _scratch: Path) -> onnx.ModelProto:
    return graph


def dynamic(per_channel: bool) -> Callable[[onnx.ModelProto, Path], onnx.ModelProto]:
    def convert(graph: onnx.ModelProto, scratch: Path) -> onnx.ModelProto:
        quantize_dynamic(graph, scratch / "q.onnx", per_channel=per_channel, weight_type=QuantType.QInt8)
        return onnx.load(scratch / "q.onnx")

    return convert


def nbits(*ops: str) -> Callable[[onnx.ModelProto, Path], onnx.ModelProto]:
    def convert(graph: onnx.ModelProto, _scratch: Path) -> onnx.ModelProto:
        axes = tuple((op, 1 if op == "Gather" else 0) for op in ops)
        config = DefaultWeightOnlyQuantConfig(
            block_size=32,
            is_symmetric=True,
            accuracy_level=4,
            quant_format=QuantFormat.QOperator,
            op_types_to_quantize=ops,
            quant_axes=axes,
        )
        quantizer = MatMulNBitsQuantizer(graph, algo_config=config)
        quantizer.process()
        result: onnx.ModelProto = quantizer.model.model
        return result

    return convert


#: ONNX Runtime's own recipes.
PEERS: dict[str, Callable[[onnx.ModelProto, Path], onnx.ModelProto]] = {
    REFERENCE: dynamic(per_channel=True),
    "float32": float32,
    "quantize_dynamic": dynamic(per_channel=False),
    "MatMulNBits 4-bit, MatMul": nbits("MatMul"),
    "MatMulNBits 4-bit, MatMul and Gather": nbits("MatMul", "Gather"),
}
#: Ours: table spec, body and ops.
OURS: dict[str, tuple[str, str, Literal["builtin", "custom"]]] = {
    "edgeemb int8 table, fp32 body": ("int8", "fp32", "custom"),
    "edgeemb int4:block=32 table, fp32 body": ("int4:block=32", "fp32", "custom"),
    "edgeemb int8 table, int8 body": ("int8", "int8", "custom"),
    "edgeemb int8 table, int8-tensor body": ("int8", "int8-tensor", "custom"),
    "edgeemb int4:block=32 table, int8 body": ("int4:block=32", "int8", "custom"),
    "edgeemb int4:block=32 table, int8 body, builtin ops": ("int4:block=32", "int8", "builtin"),
    "edgeemb int2:block=16 table, int8 body": ("int2:block=16", "int8", "custom"),
    "edgeemb pq:m=96 table, int8 body": ("pq:m=96", "int8", "custom"),
    "edgeemb int4:block=32 table, int4 body": ("int4:block=32", "int4", "custom"),
}


def peer_bundle(model: Model, like: Manifest, name: str, graph: onnx.ModelProto, folder: Path) -> Path:
    """Write a peer's model as a bundle, so that it is measured by the same code as ours.

    :param model: the original.
    :param like: manifest of a bundle of ours, for what does not depend on the recipe.
    :param name: name of the contender.
    :param graph: the peer's model.
    :param folder: where to write it; must not exist.
    """
    folder.mkdir()
    convert_model_to_external_data(graph, location="model.data", size_threshold=1024)
    onnx.save(graph, folder / "model.onnx")
    (folder / "tokenizer.json").write_text(model.tokenizer_json or "", "utf-8")
    manifest = replace(like, name=name, ops="builtin", tables={}, body=name, notes=[], files={})
    with open_folder(folder, manifest, OpenOptions(ops="builtin")) as session:
        parity, _ = parity_of(model, session)
    files = file_entries(folder)
    size = files["model.onnx"].bytes + files["model.data"].bytes
    sizes = {"tables": 0, "body": size, "tokenizer": files["tokenizer.json"].bytes, "libraries": 0, "kit": 0}
    sizes["total"] = sum(sizes.values())
    manifest = replace(manifest, parity=parity, files=files, sizes=sizes)
    (folder / "manifest.json").write_text(manifest.to_json(), "utf-8")
    return folder


def contenders(model: Model, folder: Path, only: tuple[str, ...]) -> dict[str, Path]:
    """Bundles by name, the reference first.

    :param model: the original.
    :param folder: where the bundles go.
    :param only: parts of names; the reference and the contenders that have one of them are made, all if there are none.
    """
    bundles = {}
    ours = {}
    for number, (name, (table, body, ops)) in enumerate(OURS.items()):
        if only and not any(part in name for part in only):
            continue
        click.echo(f"export {name}", err=True)
        ours[name] = edgeemb.export(model, folder / f"ours{number}", table=table, body=body, ops=ops)
    like = read_manifest(next(iter(ours.values())))
    with tempfile.TemporaryDirectory() as scratch:
        for number, (name, convert) in enumerate(PEERS.items()):
            if only and name != REFERENCE and not any(part in name for part in only):
                continue
            click.echo(f"convert {name}", err=True)
            with quiet():
                graph = convert(trace(model), Path(scratch))
            bundles[name] = peer_bundle(model, like, name, graph, folder / f"peer{number}")
    return bundles | ours


def figure(report: Report, name: str, length: int | None = None, threads: int | None = None) -> float | None:
    """A measured value, or None."""
    found = report.find(name, length, threads)
    return None if found is None or found.value is None else float(found.value)


def table_of(
    bundles: dict[str, Path], reports: tuple[Report, ...], ratios: dict[tuple[int, int], float]
) -> list[list[str]]:
    """The rows of the result, as text."""
    rows = []
    for number, ((name, path), report) in enumerate(zip(bundles.items(), reports, strict=True)):
        manifest = read_manifest(path)
        size = sum(manifest.files[file].bytes for file in ("model.onnx", "model.data"))
        parity = manifest.parity
        spearman = figure(report, "spearman_percent")
        peak = figure(report, "peak_rss_bytes")
        row = [name, f"{size / 1e6:.1f}", f"{parity['cosine_mean']:.4f}", f"{parity['cosine_min']:.4f}"]
        row.append("" if spearman is None else f"{spearman:.2f}")
        for length in LENGTHS:
            latency = figure(report, "p50_ms", length, 1)
            ratio = ratios.get((number, length), 1.0)
            row.append("" if latency is None else f"{latency:.2f} ({ratio:.2f}x)")
        row.append("" if peak is None else f"{peak / 1e6:.0f}")
        rows.append(row)
    return rows


@click.command()
@click.option("--sts", type=click.Path(exists=True, path_type=Path), help="Scored sentence pairs.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write the table to this file.")
@click.option("--only", multiple=True, help="Only contenders whose name has this part, and the reference.")
def main(sts: Path | None, markdown: Path | None, only: tuple[str, ...]) -> None:
    """Measure the contenders and print the table."""
    with tempfile.TemporaryDirectory(prefix="edgeemb-minilm-") as folder:
        model = edgeemb.load("all-MiniLM-L6-v2")
        assert isinstance(model, Model)
        bundles = contenders(model, Path(folder), only)
        click.echo("measure", err=True)
        result = compare(list(bundles.values()), ProfilePlan(LENGTHS, (1,), budget_s=3.0), sts=sts)
        ratios = {(ratio.bundle, ratio.length): ratio.value for ratio in result.ratios}
        rows = table_of(bundles, result.reports, ratios)
    heads = [
        "recipe",
        "MB",
        "cosine mean",
        "min",
        "STS-B dev",
        *(f"ms, {n} tokens" for n in LENGTHS),
        "peak MB",
    ]
    table = Table(*heads, box=None)
    for row in rows:
        table.add_row(*row)
    Console(width=160).print(table)
    if markdown is not None:
        lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
        markdown.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines), "utf-8")


if __name__ == "__main__":
    main()
