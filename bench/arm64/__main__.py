"""The lookup alone on an emulated phone CPU: exact instructions of edgeemb's fused op and of ONNX Runtime's GatherBlockQuantized.

    python -m bench.arm64 [--phone arm64-a76] [--rows 30522] [--dim 384] [--ids 16,128,512] [--markdown FILE]

Both run in ONNX Runtime's own wheel for 64-bit Arm, one thread, the same codes in blocks of 32 and the same ids; counted is one call into the
runtime from the first instruction to the last, from the third run on. The last line is without what a call costs by itself: instructions of
each further id, between the fewest and the most ids. There is no time in it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click
import numpy as np
from onnx import TensorProto, helper

from bench.lookup.contenders import write_model
from edgeemb.devices.arm64.marks import MARK, between
from edgeemb.devices.arm64.native import libraries
from edgeemb.devices.arm64.phone import phones
from edgeemb.devices.arm64.python import guest
from edgeemb.devices.host.process import Setting, Worker
from edgeemb.exporters.onnx.functions import DOMAIN, function_for, op_name
from edgeemb.runtimes.registry import find_runtime
from edgeemb.tables.program import Ids, QuantizedLookup

BLOCK = 32
RUNS = 3
OURS, PEER = "edgeemb int4:block=32", "GatherBlockQuantized, 4 bits, blocks of 32"
GUEST = "bench.arm64.guest"


def models(folder: Path, rows: int, dim: int) -> dict[str, Path]:
    """One model per contender, from "ids" to "rows".

    :param folder: where they go.
    :param rows: rows of the table.
    :param dim: elements in a row.
    """
    random = np.random.default_rng(0)
    codes = random.integers(0, 256, (rows, dim // 2), dtype=np.uint8)
    scales = random.standard_normal((rows, dim // BLOCK)).astype(np.float16)
    lookup = QuantizedLookup(Ids(), "codes", "scales", 4, dim, BLOCK)
    ours = helper.make_node(op_name(lookup), ["ids", "codes", "scales"], ["rows"], domain=DOMAIN)
    for key in ("bits", "dim", "block", "planes"):
        ours.attribute.append(helper.make_attribute(key, getattr(lookup, key)))
    peer = helper.make_node(
        "GatherBlockQuantized", ["codes", "ids", "scales"], ["rows"], domain="com.microsoft"
    )
    for key, value in {"gather_axis": 0, "quantize_axis": 1, "block_size": BLOCK, "bits": 4}.items():
        peer.attribute.append(helper.make_attribute(key, value))
    stored = (int(TensorProto.UINT8), codes, codes.shape)
    half = (int(TensorProto.FLOAT16), scales, scales.shape)
    wide = scales.astype(np.float32)
    return {
        OURS: write_model(
            folder, "ours", [ours], {"codes": stored, "scales": half}, dim, functions=[function_for([lookup])]
        ),
        PEER: write_model(
            folder,
            "peer",
            [peer],
            {"codes": stored, "scales": (int(TensorProto.FLOAT), wide, wide.shape)},
            dim,
        ),
    }


def count(phone: str, model: Path, ids: Path, library: str) -> int:
    """Instructions of one call, the median of a few.

    :param phone: name of the CPU.
    :param model: the model.
    :param ids: int64 ids, raw.
    :param library: library of custom ops, or empty.
    """
    with guest(phones()[phone], find_runtime("onnx"), GUEST) as emulated:
        environment = dict(emulated.launcher.environment)
        environment["PYTHONPATH"] += f":{Path(__file__).resolve().parents[2]}"
        launcher = type(emulated.launcher)(emulated.launcher.command, environment, emulated.launcher.deaths)
        request = json.dumps([str(model), str(ids), library, RUNS, MARK])
        with Worker(Setting(request), launcher=launcher) as worker:
            worker.ask("count")
        return sorted(between(emulated.machine.marks()))[RUNS // 2]


@click.command()
@click.option("--phone", default="arm64-a76", show_default=True)
@click.option("--rows", default=30522, show_default=True)
@click.option("--dim", default=384, show_default=True)
@click.option("--ids", "counts", default="16,128,512", show_default=True)
@click.option("--markdown", type=click.Path(path_type=Path))
def main(phone: str, rows: int, dim: int, counts: str, markdown: Path | None) -> None:
    """Print a table of instructions."""
    lines = [f"| ids | {OURS} | {PEER} | fewer |", "| ---: | ---: | ---: | ---: |"]
    taken: list[tuple[int, int, int]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made = models(folder, rows, dim)
        library = str(libraries() / "libedgeemb_onnxruntime.so")
        for number in map(int, counts.split(",")):
            ids = folder / f"ids{number}"
            np.random.default_rng(number).integers(0, rows, number).tofile(ids)
            ours = count(phone, made[OURS], ids, library)
            peer = count(phone, made[PEER], ids, "")
            taken.append((number, ours, peer))
    lines += [f"| {number} | {ours:,} | {peer:,} | {peer / ours:.1f}x |" for number, ours, peer in taken]
    if len(taken) > 1:
        more, ours, peer = (last - first for first, last in zip(taken[0], taken[-1], strict=True))
        lines.append(f"| each further | {ours / more:,.0f} | {peer / more:,.0f} | {peer / ours:.1f}x |")
    click.echo("\n".join(lines))
    if markdown is not None:
        markdown.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
