"""C exports read texts on emulated phone CPUs as the session reads them here: the same tokens, and the same bits."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, normalizers

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.devices.arm64.native import c_compiler
from edgeemb.native.compilers import run_compiler
from edgeemb.runtimes.c.sources import read_sizes, sources, symbol_prefix
from edgeemb.text.compiled.charsmap.darts import write_charsmap
from tests.fixtures.models.families import save_family
from tests.fixtures.requirements import requires_program
from tests.places import TESTS

#: Scripts without spaces, characters of four bytes and of several code points, marks by themselves and in another order than the normal one,
#: text from right to left, controls, words that no vocabulary has, and texts far beyond what the model and its arena hold.
TEXTS = [
    "the cat sat on the mat",
    "\u4e2d\u6587\u3067\u3059 \ud55c\uad6d\uc5b4, \U0002070e",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f \U0001f600",
    "cafe\u0301 a\u0327\u0301 a\u0301\u0327 \u0130 \u1e9b\u0323 \ufb01 \u0e19\u0e49\u0e33",
    "\u0643\u062a\u0627\u0628 \u05e2\u05d1\u05e8\u05d9\u05ea",
    "\ufeff\x01a\x00b\t\u00a0c\u2028\ufffd\u00ad",
    "x" * 100_000,
    "the cats ran away, a\u0301 " * 5_000,
]
#: One without and one with dot products, and all that there is.
PROCESSORS = ("cortex-a53", "cortex-a76", "max")


def _unigram(request: pytest.FixtureRequest) -> Path:
    """A tiny XLM-R that labels tokens, whose normaliser is a table of characters, as SentencePiece makes them."""
    scratch: Path = request.getfixturevalue("tmp_path")
    folder = save_family(
        scratch / "m", "XLM-R", "ForTokenClassification", id2label={0: "O", 1: "B-PET", 2: "I-PET"}
    )
    path = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    changes = {"\u2028": " ", "\u00a0": " ", "\ufb01": "fi", "\u4e2d": "the", "e\u0301": "e", "\u00ad": ""}
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(write_charsmap(changes)), normalizers.Lowercase()]
    )
    tokenizer.save(str(path))
    return edgeemb.export(
        str(folder), scratch / "b", target="linux-arm64", runtime="c", table="int8", lengths=[38]
    )


#: What gives the bundle with a tokenizer of a kind.
BUNDLES: dict[str, Callable[[pytest.FixtureRequest], Path]] = {
    "WordPiece": lambda request: request.getfixturevalue("c_bundle"),
    "byte-level BPE": lambda request: request.getfixturevalue("windowed")["ios"],
    "Unigram": _unigram,
}


@requires_program("qemu-aarch64", "qemu-user")
@pytest.mark.parametrize(
    "kind",
    ["Unigram", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("WordPiece", "byte-level BPE"))],
)
def test_a_text_has_the_bits_of_the_host_on_every_phone(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    per_token = kind != "WordPiece"
    bundle = BUNDLES[kind](request)
    lines = []
    with edgeemb.open(bundle, allow_code=True) as session:
        for text in TEXTS:
            (encoding,) = session.encodings([text])
            (output,) = session.run_all(session.feeds([encoding.ids.tolist()]))
            assert encoding.offsets is not None
            spans = [len(text[:place].encode()) for place in encoding.offsets.ravel()] if per_token else []
            lines.append(["0", *map(str, spans), *(float(value).hex() for value in output.ravel())])
    program = tmp_path / "program"
    name = read_manifest(bundle).name
    flags = [
        f"-DPREFIX={symbol_prefix(name)}",
        *(["-DPER_TOKEN"] if read_sizes(bundle, name)["per_token"] else []),
    ]
    command = [
        *c_compiler(static=True),
        "-std=c99",
        "-D_GNU_SOURCE",
        "-O1",
        "-ffp-contract=off",
        *flags,
        f"-I{bundle}",
    ]
    files = [TESTS / "programs" / "arm64" / "texts.c", *sources(bundle)]
    run_compiler([*command, *map(str, files), "-o", str(program)])
    given = b"".join(struct.pack("<I", len(data)) + data for data in map(str.encode, [*TEXTS, ""]))
    for processor in PROCESSORS:
        done = subprocess.run(
            ["qemu-aarch64", "-cpu", processor, program],
            input=given,
            capture_output=True,
            check=True,
            timeout=120,
        )
        *found, nothing = (line.split() for line in done.stdout.decode().splitlines())
        assert nothing == ["3"]
        assert len(found) == len(lines)
        for text, line, wanted in zip(TEXTS, found, lines, strict=True):
            count = len(wanted) - len([value for value in wanted if "0x" in value])
            assert line[:count] == wanted[:count], (processor, text[:40])
            values, theirs = ([float.fromhex(value) for value in one[count:]] for one in (line, wanted))
            np.testing.assert_array_equal(values, theirs, err_msg=f"{processor}: {text[:40]}")
