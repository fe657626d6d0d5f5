"""Every codec at several sizes on one model: bytes, quality, time of a lookup.

    python -m bench.tables --sts dev.tsv --corpus corpus/ --out docs/

Each table is fitted to the model's word table, with the token frequencies of the corpus, and nothing is trained. The quality is that of
the model with the rows of the fitted table in place of its own: cosine to the original over all sentences of the pairs, and Spearman's
correlation with their scores. A ``--pruned`` table also has only the most frequent tokens of the corpus, and their tokenizer.

The time is that of 512 random ids in ONNX Runtime on one thread, in the portable form of standard ops and, where this installation has
the native library, with it; in alternation with a Gather of float32 rows, medians. Results are kept in ``tables.json`` as they come in:
a second run measures only what is missing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from tokenizers import Tokenizer

from bench.tables.page import markdown, plot
from bench.tables.timing import Lookup
from edgeemb.metrics import cosine, spearman
from edgeemb.models.loading import load_torch
from edgeemb.models.torch.model import Model
from edgeemb.report.encoding import embed
from edgeemb.tables import encode
from edgeemb.text.corpus import token_frequency
from edgeemb.text.feeds import pad
from edgeemb.text.pairs import read_pairs
from edgeemb.vocabulary import parse_vocab, prune

TABLES = (
    "fp32",
    "fp16",
    "int8",
    "int4",
    "int4:block=32",
    "int2:block=16",
    "int2:block=32",
    "binary",
    "binary:block=32",
    "binary:block=32,planes=2",
    "binary:block=32,planes=3",
    "lowrank:rank=256+int8",
    "lowrank:rank=256+int4",
    "lowrank:rank=128+int8",
    "lowrank:rank=128,fit=direction+int8",
    "pq:m=192",
    "pq:m=96",
    "pq:m=96,norm=1",
    "pq:m=64",
    "pq:m=48",
    "pq:m=48,k=160",
    "pq:m=32",
    "pq:m=24",
    "rvq:m=4",
    "rvq:m=8",
    "qr:rows=4096",
    "qr:rows=4096,op=multiply",
    "hash:rows=4096,k=2",
    "memcom:rows=4096",
    "tt:rank=64",
    "tt:rank=256",
    "cluster:k=16,rank=64+int4",
    "cluster:k=16,rank=64+int8",
    "mixed:2000=int4,*=binary",
    "mixed:2000=int4,*=pq:m=32",
    "mixed:4000=pq:m=96,*=pq:m=32",
)
PRUNED = ("24000 pq:m=32,k=192", "20000 pq:m=32", "16000 pq:m=48")


@dataclass(frozen=True)
class Figure:
    """What was measured of one table.

    :param table: its spec, behind the number of tokens kept if the vocabulary was pruned.
    :param tokens: rows of the table.
    :param nbytes: stored bytes.
    :param fit_seconds: time of the fit.
    :param cosine_mean: mean cosine of the sentences to those of the original model.
    :param cosine_min: the smallest of them.
    :param sts: Spearman correlation, times 100.
    :param portable_us: microseconds of a lookup in standard ops.
    :param portable_ratio: that over the time of a float32 Gather.
    :param fused_us: microseconds with the native library, None where it is missing.
    :param fused_ratio: that over the time of a float32 Gather.
    """

    table: str
    tokens: int
    nbytes: int
    fit_seconds: float
    cosine_mean: float
    cosine_min: float
    sts: float
    portable_us: float
    portable_ratio: float
    fused_us: float | None
    fused_ratio: float | None


class Encoder:
    """The model with a word table of one's choice.

    :param model: the loaded model; its module is changed.
    :param tokenizer_json: the tokenizer that belongs to the table.
    :param weight: float32[V, D].
    """

    def __init__(self, model: Model, tokenizer_json: str, weight: NDArray[np.float32]) -> None:
        self.module = model.module
        self.module.get_parameter(model.word_table.name).data = torch.from_numpy(weight)
        self.tokenizer = Tokenizer.from_str(tokenizer_json)
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(model.max_length)
        self.prompt = model.prompt

    def encode(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """Embed texts as float32[n, D]."""
        ids = [
            encoding.ids for encoding in self.tokenizer.encode_batch([self.prompt + text for text in texts])
        ]
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        vectors: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(ids)
        with torch.inference_mode():
            for low in range(0, len(order), batch_size):
                batch = order[low : low + batch_size]
                feeds = pad([ids[at] for at in batch])
                result = self.module(*map(torch.from_numpy, feeds)).numpy()
                for at, vector in zip(batch, result, strict=True):
                    vectors[at] = vector
        return np.stack(vectors)


class Bench:
    """What all tables of a run share.

    :param source: the model.
    :param sts: pairs with scores.
    :param corpus: text that frequencies are counted in.
    """

    def __init__(self, source: str, sts: Path, corpus: Path) -> None:
        self.model = load_torch(source)
        if self.model.tokenizer_json is None:
            raise click.ClickException(f"{source} is no text model")
        self.tokenizer_json = self.model.tokenizer_json
        self.weight = self.model.table_weight(self.model.word_table.alias)
        self.corpus = corpus
        self.frequency = token_frequency(Tokenizer.from_str(self.tokenizer_json), corpus, len(self.weight))
        self.pairs = read_pairs(sts)
        self.original = self._vectors(self.tokenizer_json, self.weight)
        self.lookup = Lookup(encode(self.weight, "fp32"))

    def _vectors(self, tokenizer_json: str, weight: NDArray[np.float32]) -> NDArray[np.float32]:
        return embed(
            Encoder(self.model, tokenizer_json, weight),
            [*self.pairs.first, *self.pairs.second],
            batch_size=64,
        )

    def measure(self, name: str) -> Figure:
        """Fit a table and measure it.

        :param name: its spec, behind a number of tokens if the vocabulary is to be pruned.
        """
        kept, _, spec = name.rpartition(" ")
        tokenizer_json, ids = self.tokenizer_json, np.arange(len(self.weight))
        if kept:
            pruned = prune(tokenizer_json, [parse_vocab(f"top:{kept}:{self.corpus}")], table=self.weight)
            tokenizer_json, ids = pruned.tokenizer_json, pruned.kept
        start = time.perf_counter()
        table = encode(self.weight[ids], spec, frequency=self.frequency[ids])
        seconds = time.perf_counter() - start
        vectors = self._vectors(tokenizer_json, table.reconstruct())
        count = len(self.pairs.scores)
        similarity = cosine(vectors[:count], vectors[count:])
        same = cosine(vectors, self.original)
        return Figure(
            table=name,
            tokens=len(ids),
            nbytes=table.nbytes,
            fit_seconds=seconds,
            cosine_mean=float(same.mean()),
            cosine_min=float(same.min()),
            sts=100 * spearman(similarity, np.asarray(self.pairs.scores)),
            **self.lookup.times(table),
        )


def read_figures(path: Path) -> dict[str, Figure]:
    """Figures of an earlier run, by table.

    :param path: ``tables.json``, or no file.
    """
    if not path.is_file():
        return {}
    kept: list[dict[str, Any]] = json.loads(path.read_text())["figures"]
    return {figure["table"]: Figure(**figure) for figure in kept}


@click.command(help=__doc__)
@click.option(
    "--sts", type=click.Path(exists=True, path_type=Path), required=True, help="score, sentence, sentence."
)
@click.option(
    "--corpus", type=click.Path(exists=True, path_type=Path), required=True, help="Text for frequencies."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the results.")
@click.option("--model", "source", default="all-MiniLM-L6-v2", show_default=True, help="Folder or hub name.")
@click.option("--table", "tables", multiple=True, default=TABLES, help="A spec; repeat for several.")
@click.option("--pruned", multiple=True, default=PRUNED, help="'TOKENS SPEC'; repeat for several.")
@click.option("--threads", default=1, show_default=True, help="Threads of the model.")
def main(
    sts: Path,
    corpus: Path,
    out: Path,
    source: str,
    tables: tuple[str, ...],
    pruned: tuple[str, ...],
    threads: int,
) -> None:
    """Measure what is missing, then write the page and the plots."""
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    results = out / "tables.json"
    figures = read_figures(results)
    missing = [name for name in (*tables, *pruned) if name not in figures]
    console = Console()
    bench = Bench(source, sts, corpus) if missing else None
    for name in missing:
        assert bench is not None
        figure = bench.measure(name)
        figures[name] = figure
        results.write_text(
            json.dumps({"figures": [asdict(each) for each in figures.values()]}, indent=1) + "\n"
        )
        console.print(
            f"{name}: {figure.nbytes / 1e6:.3f} MB, STS {figure.sts:.2f}, "
            f"cosine {figure.cosine_mean:.4f} / {figure.cosine_min:.4f}, "
            f"{figure.portable_us:.0f} us ({figure.portable_ratio:.2f} x Gather)",
            highlight=False,
        )
    wanted = [figures[name] for name in (*tables, *pruned)]
    note = (
        f"{source}, pairs {sts.name}, corpus {corpus.name}, ONNX Runtime {version('onnxruntime')}, 1 thread"
    )
    rows = [asdict(figure) for figure in wanted]
    (out / "tables.md").write_text(markdown(rows, note))
    plot(rows, out)


if __name__ == "__main__":
    main()
