"""Vocabulary pruning: what it costs a model, and what becomes of text.

    python -m bench.vocabulary --corpus corpus/ --sts dev.tsv --rows 24000 --rows 16000 --rows 8000 \
        --tokenizer roberta.json --tokenizer vocab.txt --markdown vocabulary.md

First table: all-MiniLM-L6-v2 exported with ``--vocab top:ROWS:CORPUS`` and float32 rows, and Spearman's
correlation on scored pairs. Second table: every tokenizer (a tokenizer.json, or a vocab.txt of a cased BERT)
pruned with ``--vocab keep:CORPUS,min=N``, and then every line and every different word of the corpus cut by
both versions: those whose tokens were all kept must be cut alike, and none of the others may hold an unknown
piece where it held none before.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from tokenizers import BertWordPieceTokenizer, Tokenizer

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.report.evaluation import evaluate_sts
from edgeemb.text.corpus import read_lines
from edgeemb.vocabulary import Keep, Pruned, Report, prune

_CHUNK = 10_000


@dataclass(frozen=True)
class Check:
    """How text is cut by a pruned tokenizer.

    :param texts: lines and words compared.
    :param kept: texts whose tokens were all kept.
    :param different: those among them that are cut otherwise; must be 0.
    :param unknown: other texts with an unknown piece that they did not have before; must be 0.
    """

    texts: int
    kept: int
    different: int
    unknown: int


def check(text: str, pruned: Pruned, corpus: Path) -> Check:
    """Cut a corpus with both tokenizers.

    :param text: the original tokenizer.json.
    :param pruned: its pruned version.
    :param corpus: a text file or a folder of them.
    """
    old, new = Tokenizer.from_str(text), Tokenizer.from_str(pruned.tokenizer_json)
    for tokenizer in (old, new):
        tokenizer.no_truncation()
        tokenizer.no_padding()
    tokens = set(pruned.kept.tolist())
    texts = kept = different = unknown = 0
    words = iter({word for line in read_lines(corpus) for word in line.split()})
    for source in (read_lines(corpus), words):
        while batch := list(islice(source, _CHUNK)):
            texts += len(batch)
            for before, after in zip(old.encode_batch(batch), new.encode_batch(batch), strict=True):
                if tokens.issuperset(before.ids):
                    kept += 1
                    different += pruned.kept[after.ids].tolist() != before.ids
                else:
                    unknown += any(
                        piece in after.tokens and piece not in before.tokens for piece in ("[UNK]", "<unk>")
                    )
    return Check(texts, kept, different, unknown)


def read_tokenizer(path: Path) -> str:
    """Text of a tokenizer.json, or of one made from a vocab.txt."""
    if path.suffix == ".txt":
        return str(BertWordPieceTokenizer(str(path), lowercase=False).to_str())
    return path.read_text(encoding="utf-8")


def usage(report: Report | dict[str, object]) -> list[str]:
    """The measured part of a report, as text: coverage, unknown and fertility before and after."""
    found = (report.to_json() if isinstance(report, Report) else report)["usage"]
    assert isinstance(found, dict)
    return [
        f"{100 * found['coverage']:.2f}%",
        f"{100 * found['unknown_before']:.3f}% / {100 * found['unknown_after']:.3f}%",
        f"{found['fertility_before']:.3f} / {found['fertility_after']:.3f}",
    ]


def quality(corpus: Path, sts: Path, rows: tuple[int, ...]) -> Iterator[list[str]]:
    """Rows of the first table."""
    model = edgeemb.load("all-MiniLM-L6-v2")
    with tempfile.TemporaryDirectory(prefix="edgeemb-vocabulary-") as folder:
        for count in (0, *rows):
            vocab = (f"top:{count}:{corpus}",) if count else ()
            bundle = edgeemb.export(
                model, Path(folder) / str(count), table="fp32", body="fp32", ops="builtin", vocab=vocab
            )
            manifest = read_manifest(bundle)
            with edgeemb.open(bundle) as session:
                spearman = evaluate_sts(session, sts).spearman
            table = manifest.tables["word"]
            measured = usage(manifest.vocabulary) if manifest.vocabulary else ["", "", ""]
            yield [f"{table.rows}", f"{table.bytes / 1e6:.1f}", f"{spearman:.2f}", *measured]


def fidelity(corpus: Path, minimum: int, paths: tuple[Path, ...]) -> Iterator[list[str]]:
    """Rows of the second table."""
    for path in paths:
        text = read_tokenizer(path)
        pruned = prune(text, [Keep(corpus, minimum)], where=str(path))
        found = check(text, pruned, corpus)
        report = pruned.report
        yield [
            path.stem,
            f"{report.rows_before} / {report.rows_after}",
            *usage(report),
            f"{found.kept} of {found.texts}",
            f"{found.different}",
            f"{found.unknown}",
        ]


@click.command()
@click.option(
    "--corpus", type=click.Path(exists=True, path_type=Path), required=True, help="Text to prune by."
)
@click.option("--sts", type=click.Path(exists=True, path_type=Path), help="Scored sentence pairs.")
@click.option("--rows", type=int, multiple=True, help="Sizes of the first table.")
@click.option("--tokenizer", "tokenizers", type=click.Path(exists=True, path_type=Path), multiple=True)
@click.option("--min", "minimum", default=5, show_default=True, help="min of the second table's keep.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write the tables to this file.")
def main(
    corpus: Path,
    sts: Path | None,
    rows: tuple[int, ...],
    tokenizers: tuple[Path, ...],
    minimum: int,
    markdown: Path | None,
) -> None:
    """Measure and print the tables."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    both = ["coverage", "unknown", "tokens a word"]
    pages = []
    if sts is not None:
        heads = ["rows", "MB", "Spearman", *both]
        pages.append((heads, list(quality(corpus, sts, rows))))
    if tokenizers:
        heads = ["tokenizer", "rows", *both, "texts of kept tokens", "cut otherwise", "newly unknown"]
        pages.append((heads, list(fidelity(corpus, minimum, tokenizers))))
    for heads, lines in pages:
        table = Table(*heads, box=None)
        for line in lines:
            table.add_row(*line)
        Console(width=180).print(table)
    if markdown is not None:
        written = [[heads, ["---", *["---:"] * (len(heads) - 1)], *lines] for heads, lines in pages]
        text = "\n".join("".join(f"| {' | '.join(line)} |\n" for line in page) for page in written)
        markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
