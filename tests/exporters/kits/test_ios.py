"""The Swift package: its C compiles, for Apple's object format too, and gives the golden vectors; Swift itself was not at hand."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

import edgeemb
from edgeemb.exporters.c.packing.panels import PANELS
from edgeemb.exporters.c.source import weights as c_weights
from edgeemb.exporters.c.source.files import Arrays
from edgeemb.exporters.kits import FOLDER
from edgeemb.exporters.kits.ios import PACKAGE, module_name
from edgeemb.exporters.kits.swift_answers import answers
from edgeemb.models.torch.model import Model
from edgeemb.native.compilers import host_compiler
from edgeemb.runtimes import describe
from edgeemb.runtimes.c.engine import cached_library
from tests.fixtures.models.families import reference_model, save_family
from tests.fixtures.models.words import save_words

STRICT = ("-std=c99", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-pedantic")
WASM = (sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding")
MACOS = (sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-macos")

_MAIN = """
#include <stdint.h>
#include <stdio.h>
#include "kit/include/edgeemb_model.h"

static union {
    unsigned char bytes[TINY_ARENA_BYTES];
    long double alignment;
} arena;

int main(void)
{
    printf("%u\\n", (unsigned)tiny_mismatches(arena.bytes));
    return 0;
}
"""


@pytest.fixture(scope="module")
def bundle(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return edgeemb.export(tiny, tmp_path_factory.mktemp("ios") / "tiny", target="ios", table="int4:block=8")


def package_sources(bundle: Path) -> list[str]:
    """The sources that the package gives to its C target."""
    found = re.search(r"sources: \[(.*)\]", (bundle / PACKAGE).read_text())
    assert found is not None
    return re.findall(r'"([^"]+)"', found.group(1))


def test_its_c_gives_the_golden_vectors(bundle: Path, tmp_path: Path) -> None:
    main = tmp_path / "main.c"
    main.write_text(_MAIN)
    program = tmp_path / "main"
    sources = [str(bundle / name) for name in package_sources(bundle)]
    subprocess.run(
        [*host_compiler(), *STRICT, f"-I{bundle}", str(main), *sources, "-o", str(program)], check=True
    )
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "0\n"


def test_its_c_compiles_for_apple(bundle: Path, tmp_path: Path) -> None:
    for name in package_sources(bundle):
        output = tmp_path / "object.o"
        subprocess.run(
            [*MACOS, *STRICT, f"-I{bundle}", "-c", str(bundle / name), "-o", str(output)], check=True
        )
        assert output.read_bytes()[:4] == b"\xcf\xfa\xed\xfe"


def test_weights_that_are_included_have_the_names_of_every_object_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(c_weights, "MAX_TEXT_BYTES", 0)
    arrays = Arrays("tiny", PANELS)
    arrays.add_weights(np.ones(4, np.int8))
    arrays.add_floats(np.ones(4, np.float32))
    arrays.add_sums(np.ones(4, np.int32))
    arrays.add_table(b"12345678")
    c_weights.write_weights(arrays, tmp_path)
    names = []
    for command in ((*MACOS,), (*host_compiler(),), (*WASM,)):
        output = tmp_path / "weights.o"
        subprocess.run(
            [*command, f"-I{tmp_path}", "-c", str(tmp_path / "weights.S"), "-o", str(output)], check=True
        )
        content = output.read_bytes()
        assert b"12345678" in content
        names.append(set(re.findall(rb"[\0-\x20](_?tiny_(?:weights|floats|sums|tables))", content)))
    apple, other, wasm = names
    assert apple == {b"_tiny_weights", b"_tiny_floats", b"_tiny_sums", b"_tiny_tables"}
    assert other == wasm == {b"tiny_weights", b"tiny_floats", b"tiny_sums", b"tiny_tables"}


def test_the_package_names_what_is_there(bundle: Path) -> None:
    text = (bundle / PACKAGE).read_text()
    excluded = re.search(r"exclude: \[(.*)\]", text)
    assert excluded is not None
    for name in [*package_sources(bundle), *re.findall(r'"([^"]+)"', excluded.group(1))]:
        assert (bundle / name).is_file(), name
    assert 'name: "Tiny"' in text
    assert "module CTiny {" in (bundle / FOLDER / "include" / "module.modulemap").read_text()
    assert describe(bundle).runtime == "c"


def test_swift_calls_the_functions_that_the_header_declares(bundle: Path) -> None:
    swift = (bundle / FOLDER / "Sources" / "TextModel.swift").read_text()
    declared = (bundle / "model.h").read_text() + (
        bundle / FOLDER / "include" / "edgeemb_model.h"
    ).read_text()
    called = set(re.findall(r"\btiny_\w+(?=\()", swift))
    assert called == {"tiny_run", "tiny_run_text", "tiny_tokenize", "tiny_mismatches"}
    assert all(f"{name}(" in declared for name in called)
    assert swift.count("{") == swift.count("}")
    assert "import CTiny" in swift


def test_a_model_without_a_vocabulary_takes_text_too(tmp_path: Path) -> None:
    save_words(tmp_path / "talk")
    bundle = edgeemb.export(str(tmp_path / "talk"), tmp_path / "bundle", target="ios")
    swift = (bundle / FOLDER / "Sources" / "TextModel.swift").read_text()
    assert "func encode(_ text: String)" in swift and "func encode(tokenBytes: [UInt8])" in swift
    assert "TextModel.tokens * 12" in swift and "@" not in swift
    (tmp_path / "main.c").write_text(_MAIN.replace("TINY", "TALK").replace("tiny", "talk"))
    sources = [str(bundle / name) for name in package_sources(bundle)]
    command = [*host_compiler(), *STRICT, f"-I{bundle}", str(tmp_path / "main.c"), *sources]
    subprocess.run([*command, "-o", str(tmp_path / "main")], check=True)
    assert subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout == "0\n"
    excluded = re.search(r"exclude: \[(.*)\]", (bundle / PACKAGE).read_text())
    assert excluded is not None
    assert all((bundle / name).is_file() for name in re.findall(r'"([^"]+)"', excluded.group(1)))


_PAIRS = """
#include <stdio.h>
#include <string.h>
#include "kit/include/edgeemb_model.h"

static M_ARENA(arena);

int main(int count, char **texts)
{
    float output[M_OUTPUTS];
    int at;

    for (at = 1; at + 1 < count; at += 2) {
        const char *text = texts[at], *pair = texts[at + 1];
        const int32_t status = m_run_pair(arena, sizeof arena, text, strlen(text), pair, strlen(pair), output);
        size_t number;

        printf("%d", (int)status);
        for (number = 0; status == 0 && number < M_OUTPUTS; ++number) {
            printf(" %a", output[number]);
        }
        printf("\\n");
    }
    return 0;
}
"""


NAMES = {0: "bad", 1: "fair", 2: "good"}
#: Weights large enough that what goes in shows in what comes out.
OPTIONS: dict[str, Any] = {"id2label": NAMES, "initializer_range": 0.3}


@pytest.fixture(scope="module", params=["BERT", pytest.param("RoBERTa", marks=pytest.mark.slow)])
def classifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A family whose pairs have types, and one whose have none, with the package of a classifier."""
    folder = tmp_path_factory.mktemp("classifier")
    save_family(folder / "m", request.param, "ForSequenceClassification", **OPTIONS)
    return request.param, edgeemb.export(str(folder / "m"), folder / "b", target="ios", table="int8")


def test_a_pair_has_the_logits_of_a_session_and_of_the_model(
    classifier: tuple[str, Path], tmp_path: Path
) -> None:
    family, bundle = classifier
    pairs = [("the cat sat on the mat", "a cat"), ("a", "the cats and a mat ran away " * 9), ("it", "")]
    (tmp_path / "main.c").write_text(_PAIRS)
    sources = [str(bundle / name) for name in package_sources(bundle)]
    command = [*host_compiler(), *STRICT, f"-I{bundle}", str(tmp_path / "main.c"), *sources, "-o"]
    subprocess.run([*command, str(tmp_path / "main")], check=True)
    given = [text for pair in pairs for text in pair]
    done = subprocess.run([tmp_path / "main", *given], capture_output=True, text=True, check=True)
    *found, empty = (line.split() for line in done.stdout.splitlines())
    assert empty == ["3"]
    logits = np.array([[float.fromhex(value) for value in row[1:]] for row in found], np.float32)
    with edgeemb.open(bundle, allow_code=True) as session:
        np.testing.assert_array_equal(logits, session.encode(pairs[:2]))
        alone = session.encode([text for text, _ in pairs[:2]])
        assert np.abs(alone - logits).max() > 0.05
        assert [len(session.classify([pair])[0]) for pair in pairs[:2]] == [3, 3]
    reference = reference_model(family, "ForSequenceClassification", **OPTIONS)
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    tokenizer.enable_truncation(describe(bundle).max_length)
    for row, pair in zip(logits, pairs[:2], strict=True):
        encoding = tokenizer.encode(*pair)
        types = {"token_type_ids": torch.tensor([encoding.type_ids])} if family == "BERT" else {}
        with torch.no_grad():
            wanted = reference(input_ids=torch.tensor([encoding.ids]), **types).logits[0].numpy()
        np.testing.assert_allclose(row, wanted, atol=0.05 * max(1, np.abs(wanted).max()))


def test_swift_answers_as_sessions_do(classifier: tuple[str, Path]) -> None:
    _, bundle = classifier
    swift = (bundle / FOLDER / "Sources" / "TextModel.swift").read_text()
    assert "public func classify(_ text: String) throws -> [Label]" in swift
    assert "public func classify(_ text: String, _ pair: String) throws -> [Label]" in swift
    assert 'labels: [String] = ["bad", "fair", "good"]' in swift and "@" not in swift
    assert swift.count("{") == swift.count("}") and swift.count("(") == swift.count(")")
    called = set(re.findall(r"\bm_\w+(?=\()", swift))
    declared = (bundle / "model.h").read_text()
    assert "m_run_pair" in called and all(f"{name}(" in declared for name in called - {"m_mismatches"})
    assert 'model.classify("some text")' in (bundle / FOLDER / "README.md").read_text()
    manifest = replace(describe(bundle), kind="cross-encoder", labels=[], activation="sigmoid")
    members = answers(manifest, "m")
    assert "struct Ranked" in members and "public func rank(_ query: String, _ texts: [String])" in members
    assert "classify" not in members and "exp(-Double" in members
    assert answers(replace(manifest, kind="embedding"), "m") == ""


@pytest.mark.parametrize("kind", ["labellers", "answerers", "fillers"])
def test_the_rows_of_tokens_are_those_of_the_export(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bundle = request.getfixturevalue(kind)["ios"]
    (tmp_path / "main.c").write_text(_MAIN.replace("TINY", "M").replace("tiny", "m"))
    # The model itself was compiled for the session.
    sources = [str(tmp_path / "main.c"), str(bundle / FOLDER / "check.c"), str(cached_library(bundle))]
    subprocess.run(
        [*host_compiler(), *STRICT, f"-I{bundle}", *sources, "-o", str(tmp_path / "main")], check=True
    )
    assert subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout == "0\n"


def test_swift_labels_words_as_sessions_do(labellers: dict[str, Path]) -> None:
    bundle = labellers["ios"]
    swift = (bundle / FOLDER / "Sources" / "TextModel.swift").read_text()
    assert "public func labelWords(_ text: String) throws -> [Word]" in swift
    assert "public func encodeTokens(_ text: String) throws -> [Token]" in swift
    assert "count: TextModel.outputs * ids.count)" in swift and "func encode(_ text" not in swift
    assert 'labels: [String] = ["O", "B-PET", "I-PET"]' in swift and "@" not in swift
    assert swift.count("{") == swift.count("}") and swift.count("(") == swift.count(")")
    declared = (bundle / "model.h").read_text() + (
        bundle / FOLDER / "include" / "edgeemb_model.h"
    ).read_text()
    called = set(re.findall(r"\bm_\w+(?=\()", swift))
    assert called == {"m_run", "m_run_text", "m_tokenize", "m_mismatches"}
    assert all(f"{name}(" in declared for name in called)
    # As many arguments as the function takes.
    (taken,) = re.findall(r"m_run_text\(([^)]*)\)", declared)
    (given,) = re.findall(r"m_run_text\(([^)]*)\)", swift)
    assert taken.count(",") == given.count(",") == 6
    assert 'model.labelWords("some text")' in (bundle / FOLDER / "README.md").read_text()
    manifest = replace(describe(bundle), kind="multi-vector")
    vectors = answers(manifest, "m")
    assert "func encodeTokens(_ text: String, query: Bool = false)" in vectors and "labelWords" not in vectors
    assert "struct Ranked" in vectors and "func rank(_ query: String, _ texts: [String])" in vectors
    assert "query ? m_run_query : m_run_document" in vectors and "@" not in vectors
    assert vectors.count("{") == vectors.count("}") and vectors.count("(") == vectors.count(")")


def test_swift_answers_questions_by_the_function_of_the_export(answerers: dict[str, Path]) -> None:
    bundle = answerers["ios"]
    swift = (bundle / FOLDER / "Sources" / "TextModel.swift").read_text()
    assert "public func answer(_ question: String, _ text: String, top: Int = 1) throws -> [Answer]" in swift
    assert "encodeTokens" not in swift and "@" not in swift
    assert swift.count("{") == swift.count("}") and swift.count("(") == swift.count(")")
    assert set(re.findall(r"\bm_\w+(?=\()", swift)) == {"m_run", "m_answer", "m_tokenize", "m_mismatches"}
    (taken,) = re.findall(r"m_answer\(([^)]*)\)", (bundle / "model.h").read_text())
    (given,) = re.findall(r"m_answer\(([^)]*)\)", swift)
    assert taken.count(",") == given.count(",") == 9
    assert 'model.answer("a question", "some text")' in (bundle / FOLDER / "README.md").read_text()


def test_swift_fills_masked_places_by_the_functions_of_the_export(fillers: dict[str, Path]) -> None:
    bundle = fillers["ios"]
    swift = (bundle / FOLDER / "Sources" / "TextModel.swift").read_text()
    assert "public func fill(_ text: String, top: Int = 5) throws -> [[Filling]]" in swift
    assert 'public static let mask = "[MASK]"' in swift and "@" not in swift
    assert swift.count("{") == swift.count("}") and swift.count("(") == swift.count(")")
    called = {"m_run", "m_fill", "m_token", "m_tokenize", "m_mismatches"}
    assert set(re.findall(r"\bm_\w+(?=\()", swift)) == called
    (taken,) = re.findall(r"m_fill\(([^)]*)\)", (bundle / "model.h").read_text())
    (given,) = re.findall(r"m_fill\(([^)]*)\)", swift)
    assert taken.count(",") == given.count(",") == 7
    assert 'model.fill("a text with \\(TextModel.mask) in it")' in (bundle / FOLDER / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "module"),
    [("all-MiniLM-L6-v2", "AllMinilmL6V2"), ("tiny", "Tiny"), ("4bit", "Model4bit")],
)
def test_a_module_is_named_after_its_model(name: str, module: str) -> None:
    assert module_name(name) == module
