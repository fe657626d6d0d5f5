"""ExecuTorch: size, quality, latency, memory and the lookup alone, beside the runtime's own recipe, for all-MiniLM-L6-v2.

    python -m bench.executorch WORK sizes      bytes and mean cosine of the programs
    python -m bench.executorch WORK latency    16 and 128 tokens, one thread, in turn with the peer's
    python -m bench.executorch WORK memory     peak of a fresh process, the lean runner and the stock Python runtime
    python -m bench.executorch WORK lookup     128 ids, our op and embedding_4bit, from the runtime's own record
    python -m bench.executorch WORK arm64 ET   the runner for 64-bit Arm under emulation; ET is the unpacked aarch64 wheel's executorch

The peer is ExecuTorch's recipe: 8da8w linear layers, every table at 4 bits in groups of 32. Programs are made on first use and kept in WORK.
"""

from __future__ import annotations

import copy
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np

from edgeemb.bundle.manifest import read_manifest
from edgeemb.exporters.options import Ops
from edgeemb.runtimes.executorch.runner import Program

MODEL = "all-MiniLM-L6-v2"
#: Name, table, body and ops of our programs.
OURS: dict[str, tuple[str, str, Ops]] = {
    "int4 table, int8 body": ("int4:block=32", "int8", "custom"),
    "int4 table, int8 body, stock ops": ("int4:block=32", "int8", "builtin"),
    "int4 table, int4 body": ("int4:block=32", "int4", "custom"),
    "int4 table, int4 body, stock ops": ("int4:block=32", "int4", "builtin"),
    "binary table, fp32 body": ("binary:block=32", "fp32", "custom"),
    "pq table, fp32 body": ("pq:m=96", "fp32", "custom"),
}
PEER = "peer: 8da8w, tables 4 bits"
FIRST = "int4 table, int8 body"
LENGTHS = (16, 128)


def ours(work: Path, name: str) -> Path:
    """A bundle of ours, made on first use."""
    import edgeemb

    table, body, ops = OURS[name]
    folder = work / name.replace(" ", "-").replace(",", "")
    if not folder.exists():
        edgeemb.export(MODEL, folder, runtime="executorch", table=table, body=body, ops=ops)
    return folder


def peer(work: Path) -> Path:
    """The program of the peer's recipe, made on first use, and its parity beside it."""
    path = work / "peer.pte"
    if path.exists():
        return path
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
        XnnpackDynamicallyQuantizedPartitioner,
        XnnpackPartitioner,
    )
    from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge_transform_and_lower
    from executorch.extension.llm.export.quantize import quantize_model_
    from tokenizers import Tokenizer

    from edgeemb.exporters.executorch.writer import _inputs, _trace
    from edgeemb.metrics import cosine
    from edgeemb.models.loading import load_torch
    from edgeemb.text.sentences import sentences

    model = load_torch(MODEL)
    module = copy.deepcopy(model.module)
    for layer in module.modules():
        if isinstance(layer, torch.nn.Embedding):
            layer.padding_idx = None
    quantize_model_(module, qlinear_config="8da8w", qembedding_config="4w")
    program = _trace(MODEL, module, *_inputs(model, ()))
    edge = to_edge_transform_and_lower(
        program,
        partitioner=[XnnpackDynamicallyQuantizedPartitioner(), XnnpackPartitioner()],
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    )
    made = edge.to_executorch(ExecutorchBackendConfig(do_quant_fusion_and_const_prop=True))
    work.mkdir(parents=True, exist_ok=True)
    path.write_bytes(made.buffer)
    opened = Program(path)
    tokenizer = Tokenizer.from_str(str(model.tokenizer_json))
    tokenizer.no_padding()
    similar = []
    for text in sentences():
        ids = np.array([tokenizer.encode(text).ids])
        mask = np.ones_like(ids)
        with torch.no_grad():
            want = model.module(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        similar.append(float(cosine(want, opened.run([ids, mask])[0])[0]))
    opened.close()
    parity = {"cosine_mean": statistics.mean(similar), "cosine_min": min(similar)}
    path.with_suffix(".json").write_text(json.dumps(parity))
    return path


def feeds(length: int) -> list[np.ndarray]:
    """Ids and mask of one text of that many tokens."""
    ids = np.random.default_rng(length).integers(1000, 30000, (1, length))
    return [ids, np.ones_like(ids)]


@click.group()
@click.argument("work", type=click.Path(path_type=Path))
@click.pass_context
def main(context: click.Context, work: Path) -> None:
    """Measure the ExecuTorch runtime."""
    work.mkdir(parents=True, exist_ok=True)
    context.obj = work


@main.command()
@click.option("--only", multiple=True, type=click.Choice(list(OURS)), help="Which programs; all by default.")
@click.pass_obj
def sizes(work: Path, only: tuple[str, ...]) -> None:
    """Megabytes of the program, and cosine with the original over the packaged sentences."""
    parity = json.loads(peer(work).with_suffix(".json").read_text())
    click.echo(
        f"{PEER:36s} {(work / 'peer.pte').stat().st_size / 1e6:6.1f} MB  {parity['cosine_mean']:.4f} {parity['cosine_min']:.4f}"
    )
    for name in only or OURS:
        folder = ours(work, name)
        parity, size = read_manifest(folder).parity, (folder / "model.pte").stat().st_size
        click.echo(f"{name:36s} {size / 1e6:6.1f} MB  {parity['cosine_mean']:.4f} {parity['cosine_min']:.4f}")
        if name in ("binary table, fp32 body", "pq table, fp32 body"):
            click.echo(f"{'':36s} the numpy reference in torch: {_reference(OURS[name][0]):.4f}")


def _reference(spec: str) -> float:
    """Mean cosine of the original model with the decoded table in it: what the table alone costs."""
    import torch
    from tokenizers import Tokenizer

    from edgeemb.metrics import cosine
    from edgeemb.models.loading import load_torch
    from edgeemb.models.shrinking.tables import choose_specs, fit_tables
    from edgeemb.tables.request import read_tables
    from edgeemb.text.sentences import sentences

    model = load_torch(MODEL)
    tables = fit_tables(model, choose_specs(model, read_tables(spec), spec).specs)
    module = copy.deepcopy(model.module)
    for alias, table in tables.items():
        module.get_parameter(model.table(alias).name).data = torch.from_numpy(table.reconstruct())
    tokenizer = Tokenizer.from_str(str(model.tokenizer_json))
    tokenizer.no_padding()
    similar = []
    for text in sentences():
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.no_grad():
            similar.append(
                float(
                    cosine(
                        model.module(ids, torch.ones_like(ids)).numpy(),
                        module(ids, torch.ones_like(ids)).numpy(),
                    )[0]
                )
            )
    return statistics.mean(similar)


@main.command()
@click.option("--rounds", default=40, show_default=True)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(OURS)),
    help="Which programs; those with a quantised body by default.",
)
@click.pass_obj
def latency(work: Path, rounds: int, only: tuple[str, ...]) -> None:
    """Milliseconds on one thread, and the ratio to the peer; the programs take turns in every round."""
    programs = {PEER: Program(peer(work), threads=1)}
    for name in only or [name for name, (_, body, _) in OURS.items() if body != "fp32"]:
        programs[name] = Program(ours(work, name) / "model.pte", threads=1)
    for length in LENGTHS:
        inputs = feeds(length)
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(rounds):
            for name, program in programs.items():
                begin = time.perf_counter()
                program.run(inputs)
                times[name].append(1000 * (time.perf_counter() - begin))
        base = times[PEER]
        for name, spent in times.items():
            middle, ratio = statistics.median(spent), statistics.median(spent) / statistics.median(base)
            least = f"least {min(spent):6.2f} ms  {min(spent) / min(base):.2f}"
            click.echo(f"{length:4d} tokens  {name:36s} median {middle:6.2f} ms  {ratio:.2f}   {least}")


_MEMORY = """
import sys, edgeemb, numpy, pathlib
ids = numpy.full((1, 16), 2000)
if sys.argv[2] == "stock":
    from bench.executorch.stock import StockProgram
    StockProgram(pathlib.Path(sys.argv[1], "model.pte"), threads=1, custom=True).run([ids, numpy.ones_like(ids)])
else:
    session = edgeemb.open(sys.argv[1], threads=1, verify_files=False)
    session.run({"input_ids": ids, "attention_mask": numpy.ones_like(ids)})
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@main.command()
@click.pass_obj
def memory(work: Path) -> None:
    """Peak resident megabytes of a fresh process that opens the bundle and runs 16 tokens (Linux)."""
    bundle = ours(work, FIRST)
    for name in ("runner", "stock"):
        peaks = []
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-c", _MEMORY, str(bundle), name],
                capture_output=True,
                text=True,
                check=True,
            )
            peaks.append(int(done.stdout.split()[-1]) / 1024)
        click.echo(f"{name:8s} {statistics.median(peaks):6.1f} MiB")


class _Rows:
    """The rows of one table as a program, in a lowering."""

    def __init__(self, work: Path, ops: str) -> None:
        import torch

        from edgeemb.exporters.executorch.tables import lookups_for
        from edgeemb.exporters.executorch.writer import _lower, _trace
        from edgeemb.tables import encode
        from edgeemb.torch_tables.module import TableModule

        self.path = work / f"rows-{ops}.pte"
        if not self.path.exists():
            weight = np.random.default_rng(0).standard_normal((30522, 384)).astype(np.float32)
            module = TableModule(encode(weight, "int4:block=32"), lookups_for(ops))
            program = _trace("rows", module, (torch.zeros((1, 128), dtype=torch.int64),), ({},))
            self.path.write_bytes(_lower("rows", program, quantized=False).to_executorch().buffer)


@main.command()
@click.option("--runs", default=500, show_default=True)
@click.pass_obj
def lookup(work: Path, runs: int) -> None:
    """Median microseconds of the operator for 128 random ids, from ExecuTorch's own record (ETDump)."""
    from edgeemb.runtimes.executorch.profile import chrome_trace

    paths = {ops: _Rows(work, ops).path for ops in ("custom", "builtin")}
    programs = {ops: Program(path, threads=1, profile=True) for ops, path in paths.items()}
    random = np.random.default_rng(1)
    rows = {}
    for _ in range(runs):
        ids = random.integers(0, 30522, (1, 128))
        rows = {ops: program.run([ids])[0] for ops, program in programs.items()}
    same = np.array_equal(rows["custom"].view(np.uint32), rows["builtin"].view(np.uint32))
    medians = {}
    for ops, program in programs.items():
        record = work / f"rows-{ops}.etdump"
        program.write_profile(record)
        events = json.loads(chrome_trace(record, record.with_suffix(".trace.json"), "rows").read_text())
        medians[ops] = statistics.median(event["dur"] for event in events if event["cat"] == "Node")
        click.echo(
            f"{'edgeemb::quantized_lookup' if ops == 'custom' else 'embedding_4bit':28s} {medians[ops]:7.1f} us"
        )
    click.echo(
        f"{medians['builtin'] / medians['custom']:.1f} times as fast; rows {'identical to the bit' if same else 'DIFFER'}"
    )


@main.command()
@click.argument("package", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--compiler", default="aarch64-linux-gnu-g++", show_default=True)
@click.option(
    "--cpu", default="cortex-a76", show_default=True, help="Named, because QEMU's max computes 8da8w wrongly."
)
@click.pass_obj
def arm64(work: Path, package: Path, compiler: str, cpu: str) -> None:
    """The same sources against the aarch64 wheel, in C, compared with this machine."""
    from edgeemb.native.libraries import find_sources
    from edgeemb.runtimes.executorch.build import FLAGS, LIBRARIES

    sources, here = find_sources() / "runtimes" / "executorch", Path(__file__).parent
    driver = work.resolve() / "driver-arm64"
    headers = package.resolve() / "include"
    flags = [flag for flag in FLAGS if flag not in ("-shared", "-fvisibility=hidden")]
    includes = [f"-I{headers}", f"-I{headers / 'executorch/runtime/core/portable_type/c10'}", f"-I{sources}"]
    inputs = [
        str(sources / "ops.cpp"),
        str(sources / "runner.cpp"),
        "-x",
        "c++",
        str(here / "driver.c"),
        "-x",
        "none",
    ]
    libraries = [f"-L{package.resolve() / 'lib'}", "-Wl,--no-as-needed", *(f"-l{name}" for name in LIBRARIES)]
    run = f"-Wl,-rpath,{package.resolve() / 'lib'}"
    subprocess.run([compiler, *flags, *includes, *inputs, "-o", str(driver), *libraries, run], check=True)
    ids = np.random.default_rng(2).integers(1000, 30000, (1, 128))
    for name, path in (("rows", _Rows(work, "custom").path), (FIRST, ours(work, FIRST) / "model.pte")):
        output = work / "arm64.bin"
        emulator = ["qemu-aarch64", "-cpu", cpu, "-L", "/usr/aarch64-linux-gnu"]
        subprocess.run([*emulator, str(driver), str(path), str(output), *map(str, ids[0])], check=True)
        program = Program(path, threads=1)
        want = program.run([ids, np.ones_like(ids)][: len(program.inputs)])[0].ravel()
        got = np.fromfile(output, np.float32)
        cosine = float(got @ want / np.linalg.norm(got) / np.linalg.norm(want))
        same = "identical to the bit" if np.array_equal(got, want) else f"cosine {cosine:.6f}"
        click.echo(f"{name:36s} {same}")


if __name__ == "__main__":
    main()
