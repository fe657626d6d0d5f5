"""Compiled tokenizers against the tokenizers library: ids, types and offsets of as many texts as you like.

    python -m bench.exactness FOLDER TOKENIZER.json... [--texts 1000000]

FOLDER holds real texts (`bench.exactness.texts.SUFFIXES`); to them come texts with every assigned code point, changed texts, and texts made of
what is awkward. Of every ten blocks of 500 texts, one is of pairs, one is cut to a random length, and one is pairs that are cut. Each tokenizer
gives a line; the first texts that differ are printed. The exit status is 1 if any differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from bench.exactness.texts import real_texts, texts
from edgeemb.errors import InputError
from edgeemb.native.tokenizer import CompiledTokenizer
from edgeemb.text.compiled import compile_tokenizer

BLOCK = 500
_STRATEGIES = ("longest_first", "only_first", "only_second")
_SHOWN = 3

Given = str | tuple[str, str]
Tokens = tuple[list[int], list[int], list[tuple[int, int]]]


@dataclass(frozen=True)
class Cut:
    """How the texts of a block are cut; a length of 0 leaves them whole."""

    length: int
    strategy: str
    side: str


def cut_of(block: int, rng: random.Random) -> tuple[bool, Cut]:
    """Whether a block is of pairs, and how its texts are cut.

    :param block: its number.
    :param rng: where random numbers come from.
    """
    pairs, cut = block % 10 in (3, 9), block % 10 in (6, 9)
    strategy = rng.choice(_STRATEGIES) if pairs else "longest_first"
    return pairs, Cut(rng.randint(6, 24) if cut else 0, strategy, rng.choice(("left", "right")))


def expected(reference: Tokenizer, given: list[Given], cut: Cut) -> Iterator[Tokens | None]:
    """What the library gives for each text, or None where it refuses to cut it."""
    if not cut.length:
        reference.no_truncation()
        yield from map(_tokens, reference.encode_batch(given))
        return
    reference.enable_truncation(cut.length, strategy=cut.strategy, direction=cut.side)
    for one in given:
        try:
            yield _tokens(reference.encode(*one) if isinstance(one, tuple) else reference.encode(one))
        except Exception as error:
            if "too short" not in str(error):
                raise
            yield None


def _tokens(encoding: Encoding) -> Tokens:
    return encoding.ids, encoding.type_ids, encoding.offsets


def found(ours: CompiledTokenizer, given: Given, cut: Cut) -> Tokens | None:
    """What the compiled tokenizer gives."""
    text, pair = given if isinstance(given, tuple) else (given, None)
    try:
        tokens = ours.encode(
            text, pair, max_length=cut.length, strategy=cut.strategy, side=cut.side, offsets=True
        )
    except InputError:
        return None
    assert tokens.offsets is not None
    return tokens.ids.tolist(), tokens.types.tolist(), list(map(tuple, tokens.offsets.tolist()))


def compare(path: Path, real: list[str], count: int, seed: int) -> dict[str, object]:
    """Compare one tokenizer; what to print of it.

    :param path: of its tokenizer.json.
    :param real: real texts.
    :param count: texts in all.
    :param seed: of the random numbers.
    """
    began, text = time.monotonic(), path.read_text("utf-8")
    reference, ours = Tokenizer.from_str(text), CompiledTokenizer(compile_tokenizer(text))
    reference.no_padding()
    rng, stream = random.Random(seed), texts(real, count, seed)
    different, tokens, refused, block = 0, 0, 0, 0
    while batch := list(islice(stream, BLOCK)):
        pairs, cut = cut_of(block, rng)
        given: list[Given] = [*zip(batch, reversed(batch), strict=True)] if pairs else [*batch]
        for one, wanted in zip(given, expected(reference, given, cut), strict=True):
            got = found(ours, one, cut)
            tokens += len(wanted[0]) if wanted else 0
            refused += wanted is None
            if got != wanted:
                different += 1
                if different <= _SHOWN:
                    print(f"{path}: {cut}\n  {one!a}\n  wanted {wanted}\n  got    {got}", file=sys.stderr)
        block += 1
    return {
        "tokenizer": str(path),
        "texts": count,
        "tokens": tokens,
        "refused_by_both": refused,
        "different": different,
        "seconds": round(time.monotonic() - began),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("tokenizers", type=Path, nargs="+")
    parser.add_argument("--texts", type=int, default=1_000_000, help="for each tokenizer")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    real, different = real_texts(options.folder), 0
    if not real:
        parser.error(f"{options.folder} has no texts: name a folder with files of text")
    for path in options.tokenizers:
        line = compare(path, real, options.texts, options.seed)
        different += int(str(line["different"]))
        print(json.dumps(line), flush=True)
    return int(different > 0)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())
