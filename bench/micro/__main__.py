"""Microcontrollers: instructions and memory on simulated Cortex-M boards.

    python -m bench.micro dot                    instructions per multiply-accumulate of the inner loop, per board
    python -m bench.micro boards                 one encoder on every board
    python -m bench.micro codecs                 the same encoder with every codec, on a Cortex-M4F
    python -m bench.micro lengths                RAM at 16, 64, 128 and 256 tokens
    python -m bench.micro lookups                lookup kernels against the serial ones, on a Cortex-M55
    python -m bench.micro tflm                   the same encoder in TensorFlow Lite Micro: memory, and instructions by callgrind
    python -m bench.micro minilm                 all-MiniLM-L6-v2 on a Cortex-M55: cosine to fp32 on 10 sentences
    python -m bench.micro banking FOLDER         a classifier trained on FOLDER/train.tsv, FOLDER/test.tsv (text, tab, label)
                                                 on a Cortex-M4F and M7, against this machine; without a vocabulary,
                                                 or with --pieces; --model takes one that edgeemb distill trained

Counts are exact and the same on every machine; there is no time in them.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

import edgeemb
from edgeemb.devices.cortex_m import qemu as cortex_m_qemu
from edgeemb.devices.cortex_m.board import boards, find_board
from edgeemb.devices.cortex_m.firmware import Firmware, build
from edgeemb.devices.cortex_m.profile import choose_engine, simulate
from edgeemb.devices.cortex_m.run import Run
from edgeemb.native.libraries import find_sources
from edgeemb.runtimes.c.parts import part_names
from edgeemb.runtimes.c.sources import read_sizes

#: The fixed encoder: a BERT of two layers, 64 elements, with 4096 pieces.
ENCODER = {
    "vocab_size": 4096,
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
TOKENS = 32
CODECS = (
    "fp32", "fp16", "int8", "int4:block=32", "int2:block=16", "binary:block=32,planes=2", "lowrank:rank=16+int8",
    "pq:m=16", "rvq:m=4", "qr:rows=256", "hash:rows=512,k=2", "memcom:rows=512", "tt:rank=8",
)  # fmt: skip
DOT_PRODUCTS = 4 * 256 * 32


def row(*cells: object) -> None:
    """A row of a markdown table."""
    click.echo(
        "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells) + " |"
    )


def head(*cells: str) -> None:
    """The first two rows of a markdown table."""
    row(*cells)
    row(*("---" for _ in cells))


def model(folder: Path, **options: Any) -> Any:
    """The fixed encoder with random weights and a tokenizer of single letters."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    torch.manual_seed(0)
    config = transformers.BertConfig(
        **{**ENCODER, "max_position_embeddings": 512, "initializer_range": 0.1, **options}
    )
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *map(chr, range(97, 123)),
        *(f"##{chr(code)}" for code in range(97, 123)),
    ]
    tokenizer = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = (
        normalizers.BertNormalizer(),
        pre_tokenizers.BertPreTokenizer(),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return edgeemb.load(str(folder))


def export(source: Any, folder: Path, table: str, tokens: int, target: str = "cortex-m7") -> Path:
    """The sources of a model, without the comparison of a whole export."""
    from edgeemb.exporters.c.writer import write
    from edgeemb.exporters.targets import find_target
    from edgeemb.exporters.writers import Request
    from edgeemb.models.shrinking.tables import choose_specs, fit_tables
    from edgeemb.tables.request import read_tables

    folder.mkdir()
    tables = fit_tables(source, choose_specs(source, read_tables(table), table).specs)
    write(Request(source, tables, "int8", "builtin", (tokens,), find_target(target)), folder)
    return folder


def measure(
    bundle: Path, name: str, board: str, inputs: Sequence[Sequence[int]], engine: str = ""
) -> tuple[Firmware, Run]:
    """Build for a board and run."""
    sizes = read_sizes(bundle, name)
    with tempfile.TemporaryDirectory() as scratch:
        firmware = build(bundle, name, find_board(board), Path(scratch))
        place = Path(scratch, "run")
        place.mkdir()
        chosen = choose_engine(find_board(board), engine)
        return firmware, simulate(
            chosen, firmware, find_board(board), inputs, sizes["outputs"], sizes["layers"], place
        )


@click.group(help=__doc__)
def main() -> None:
    """The command."""


@main.command()
def dot() -> None:
    """The inner loop of the int8 matrix product."""
    head("board", "core", "instructions per multiply-accumulate")
    with tempfile.TemporaryDirectory() as scratch:
        source = model(Path(scratch, "model"))
        bundle = export(source, Path(scratch, "bundle"), "int8", TOKENS)
        for name, board in boards().items():
            place = Path(scratch, name)
            place.mkdir()
            entry = find_sources() / "devices" / "firmware" / "dot.c"
            firmware = build(bundle, source.name, board, place, main=entry)
            run = cortex_m_qemu.run(firmware, board, [[1]], 1, 1, place)
            row(name, board.core, f"{run.inferences[0].total.instructions / DOT_PRODUCTS:.3f}")


@main.command(name="boards")
def all_boards() -> None:
    """One encoder on every board."""
    head("board", "core", "instructions", "flash, bytes", "RAM, bytes", "stack, bytes")
    with tempfile.TemporaryDirectory() as scratch:
        source = model(Path(scratch, "model"))
        bundle = export(source, Path(scratch, "bundle"), "int4:block=32", TOKENS)
        for name, board in boards().items():
            firmware, run = measure(bundle, source.name, name, [[5] * TOKENS])
            cost = run.inferences[0].total.instructions
            row(name, board.core, cost, sum(firmware.flash.values()), firmware.static + run.stack, run.stack)


@main.command()
def codecs() -> None:
    """The same encoder with every codec."""
    head("table", "table, bytes", "lookup, instructions a token", "inference, instructions", "RAM, bytes")
    with tempfile.TemporaryDirectory() as scratch:
        source = model(Path(scratch, "model"))
        for number, spec in enumerate(CODECS):
            bundle = export(source, Path(scratch, str(number)), spec, TOKENS)
            firmware, run = measure(bundle, source.name, "mps2-an500", [list(range(5, 5 + TOKENS))])
            inference = run.inferences[0]
            lookup = inference.parts[part_names(2).index("lookup word")].instructions
            row(
                f"`{spec}`",
                firmware.flash["tables"],
                lookup // TOKENS,
                inference.total.instructions,
                firmware.static + run.stack,
            )


@main.command()
def lengths() -> None:
    """RAM by length."""
    head("tokens", "RAM, bytes", "bytes a token more", "instructions")
    before: tuple[int, int] | None = None
    with tempfile.TemporaryDirectory() as scratch:
        source = model(Path(scratch, "model"))
        for tokens in (16, 64, 128, 256):
            bundle = export(source, Path(scratch, str(tokens)), "int4:block=32", tokens)
            firmware, run = measure(bundle, source.name, "mps2-an500", [[5] * tokens])
            used = firmware.static + run.stack
            more = "" if before is None else f"{(used - before[1]) / (tokens - before[0]):.1f}"
            row(tokens, used, more, run.inferences[0].total.instructions)
            before = tokens, used


@main.command()
def lookups() -> None:
    """The lookup kernels, and the serial ones."""
    head("table of 128 columns", "serial, instructions a value", "Helium, instructions a value")
    names = ("8 bits", "4 bits", "2 bits", "1 bit", "codebooks of 4 values", "codebooks of 16 values")
    board, values = find_board("mps3-an547"), 7 * 128
    with tempfile.TemporaryDirectory() as scratch:
        source = model(Path(scratch, "model"))
        bundle = export(source, Path(scratch, "bundle"), "int8", TOKENS)
        place = Path(scratch, "run")
        place.mkdir()
        entry = find_sources() / "devices" / "firmware" / "lookup.c"
        firmware = build(bundle, source.name, board, place, main=entry)
        parts = cortex_m_qemu.run(firmware, board, [[1]], 2, 1 + 2 * len(names), place).inferences[0].parts
        for at, name in enumerate(names):
            serial, best = (parts[1 + 2 * at + side].instructions / values for side in (0, 1))
            row(name, f"{serial:.1f}", f"{best:.1f}")


@main.command()
def tflm() -> None:
    """The encoder in TensorFlow Lite Micro and as a C export, on this machine."""
    from bench.micro.tflm import count, quantise
    from edgeemb.metrics import cosine
    from edgeemb.runtimes.c.engine import build_library
    from edgeemb.runtimes.c.sources import symbol_prefix
    from edgeemb.runtimes.tflm.engine import TflmEngine

    rng = np.random.default_rng(2)
    ids = rng.integers(5, ENCODER["vocab_size"], (16, TOKENS))
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    head(
        "engine",
        "body",
        "cosine to fp32, mean",
        "model file, bytes",
        "RAM, bytes",
        "of it for the interpreter",
        "instructions on this machine",
    )
    with tempfile.TemporaryDirectory() as scratch:
        source = model(Path(scratch, "model"))
        expected = source.reference(feeds)[0]
        floats = edgeemb.export(
            source, Path(scratch, "tflm"), target="tflm", table="int4:block=32", lengths=(TOKENS,)
        )
        bodies = {"fp32": floats, "int8 by fixed ranges": Path(scratch, "tflm8")}
        shutil.copytree(floats, bodies["int8 by fixed ranges"])
        quantise(floats / "model.tflite", bodies["int8 by fixed ranges"] / "model.tflite", f"length_{TOKENS}")
        for body, bundle in bodies.items():
            with edgeemb.open(bundle, verify_files=False, allow_code=True) as session:
                similar = cosine(expected, session.run(feeds)).mean()
                engine = session.engine
                assert isinstance(engine, TflmEngine)
                arena = engine.arena()
            size = (bundle / "model.tflite").stat().st_size
            row(
                "TFLM",
                body,
                f"{similar:.4f}",
                size,
                arena.total,
                arena.persistent,
                count("tflm", bundle / "model.tflite"),
            )
        ours = export(source, Path(scratch, "c"), "int4:block=32", TOKENS)
        sizes, prefix = read_sizes(ours, source.name), symbol_prefix(source.name)
        library = build_library(ours, Path(scratch, "model.so"))
        _, run = measure(ours, source.name, "mps2-an500", [list(row_) for row_ in ids.tolist()])
        similar = cosine(expected, np.stack([inference.output for inference in run.inferences])).mean()
        row(
            "C export",
            "int8 by ranges of each token",
            f"{similar:.4f}",
            sizes["flash_bytes"],
            sizes["arena_bytes"] + run.stack,
            0,
            count("c", library, prefix, sizes["outputs"], sizes["arena_bytes"]),
        )
    click.echo(
        "\nNot equal: TFLM's interpreter is that of a 64-bit PC with its reference kernels, and its stack is not in its RAM; the C export's RAM is arena "
        "and stack on a Cortex-M7, its instructions those of the plain C path. TFLM cannot find ranges while it runs, and only its FULLY_CONNECTED is int8."
    )


@main.command()
def minilm() -> None:
    """The whole all-MiniLM-L6-v2."""
    from edgeemb.metrics import cosine
    from edgeemb.text.sentences import sentences

    with tempfile.TemporaryDirectory() as scratch:
        source = edgeemb.load("all-MiniLM-L6-v2")
        bundle = edgeemb.export(source, Path(scratch, "bundle"), target="cortex-m55", table="int4:block=32")
        with edgeemb.open(bundle, allow_code=True) as session:
            ids = [session.tokenize([text])[0] for text in sentences()[:10]]
        originals = np.concatenate(
            [source.reference({"input_ids": i, "attention_mask": np.ones_like(i)})[0] for i in ids]
        )
        firmware, run = measure(bundle, source.name, "mps3-an547", [i[0].tolist() for i in ids])
        similar = cosine(originals, np.stack([inference.output for inference in run.inferences]))
        tokens = sum(i.size for i in ids)
        counted = sum(inference.total.instructions for inference in run.inferences)
        head(
            "sentences",
            "cosine, mean",
            "cosine, least",
            "instructions a token",
            "external, bytes",
            "code, bytes",
            "RAM, bytes",
        )
        row(10, f"{similar.mean():.4f}", f"{similar.min():.4f}", counted // tokens, sum(firmware.flash.values()) - firmware.flash["code"],
            firmware.flash["code"], firmware.static + run.stack)  # fmt: skip


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--sentences", default=500, help="Test sentences to classify.")
@click.option("--pieces", is_flag=True, help="Train the classifier with a vocabulary.")
@click.option(
    "--model", "trained", type=click.Path(exists=True, path_type=Path), help="A trained classifier."
)
def banking(folder: Path, sentences: int, pieces: bool, trained: Path | None) -> None:
    """A trained text classifier."""
    from bench.micro.training import train, train_words

    texts, labels = read_pairs(folder / "test.tsv")
    with tempfile.TemporaryDirectory() as scratch:
        place = trained or Path(scratch, "banking")
        if trained is None:
            (train if pieces else train_words)(*read_pairs(folder / "train.tsv"), place)
        source = edgeemb.load(str(place), max_length=64)
        table = () if source.words else "int4:block=32"
        bundle = edgeemb.export(source, Path(scratch, "bundle"), target="cortex-m4", table=table)
        order = np.random.default_rng(0).permutation(len(texts))[:sentences]
        chosen = [texts[at] for at in order]
        with edgeemb.open(bundle, allow_code=True) as session:
            # Without a vocabulary the board makes the tokens itself.
            inputs = (
                [text.encode() for text in chosen]
                if source.words
                else [session.tokenize([text])[0][0].tolist() for text in chosen]
            )
            host = session.encode(chosen)
            stored = session.manifest.sizes["total"]
        found_labels = [source.labels[at] for at in host.argmax(axis=1)]
        right = np.mean([label == labels[where] for label, where in zip(found_labels, order, strict=True)])
        click.echo(f"{source.name}: {stored} bytes of weights, tables and vocabulary")
        head(
            "board",
            "engine",
            "sentences",
            "accuracy",
            "same class",
            "same bits",
            "flash, bytes",
            "RAM, bytes",
            "instructions, mean",
        )
        for board in ("mps2-an386", "mps2-an500"):
            for engine in ("qemu", "unicorn"):
                firmware, run = measure(bundle, source.name, board, inputs, engine)
                found = np.stack([inference.output for inference in run.inferences])
                row(
                    board, engine, len(inputs), f"{right:.3f}", int((found.argmax(axis=1) == host.argmax(axis=1)).sum()),
                    int((found.view(np.uint32) == host.view(np.uint32)).all(axis=1).sum()), sum(firmware.flash.values()),
                    firmware.static + run.stack, int(np.mean([i.total.instructions for i in run.inferences])),
                )  # fmt: skip


def read_pairs(path: Path) -> tuple[list[str], list[str]]:
    """Texts and labels of a file with a tab between them."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [cells[0] for cells in rows], [cells[1] for cells in rows]


if __name__ == "__main__":
    main()
