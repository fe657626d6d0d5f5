"""Models that take the bytes of words: their folder, what an export makes of them, and that C gives the same bits for text."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import edgeemb
from edgeemb.bundle.golden import read_golden
from edgeemb.bundle.manifest import GOLDEN, TOKENIZER
from edgeemb.cli.app import main
from edgeemb.devices import profile_on
from edgeemb.devices.feeds import make_feeds
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError, ExportError, InputError, ModelError, SpecError
from edgeemb.models.summary import inspect_model
from edgeemb.models.words import WordRows
from edgeemb.native.compilers import host_compiler, run_compiler
from edgeemb.runtimes.c.engine import build_library
from edgeemb.runtimes.c.sources import symbol_prefix
from edgeemb.tables.ngrams import ngram_rows
from edgeemb.text import words
from edgeemb.text.sentences import sentences
from edgeemb.text.words import RowForm
from tests.fixtures.models.words import CLASSES, FORM, make_words, save_words
from tests.fixtures.requirements import requires_program

TEXTS = ["Hello, world!", "what is my PIN number? and why " * 9, "caf\u00e9 \u4f60\u597d"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier's folder."""
    return save_words(tmp_path_factory.mktemp("words") / "talk")


@pytest.fixture(scope="module")
def micro(folder: Path) -> Path:
    """The classifier as C."""
    return edgeemb.export(str(folder), folder.parent / "micro", target="cortex-m4")


def test_computes_rows_as_the_definition_says() -> None:
    tokens = words.tokenize(TEXTS[0], FORM.width, 24)
    lengths = np.array([len(token) for token in tokens])
    padded = np.stack([np.frombuffer(token.ljust(FORM.width, b"\0"), np.uint8) for token in tokens])
    found = WordRows(FORM)(torch.from_numpy(padded)).numpy()
    arrays = FORM.arrays()
    assert np.array_equal(found, ngram_rows(padded, lengths, arrays["seeds"], arrays["bases"], FORM.n))


@pytest.mark.parametrize(
    ("form", "options"),
    [(FORM, {}), (RowForm(lanes=4, dim=32), {"pooling": ["mean", "cls"], "normalize": True})],
    ids=["classifier", "encoder"],
)
def test_loads_what_was_saved(form: RowForm, options: dict[str, Any], tmp_path: Path) -> None:
    model = edgeemb.load(str(save_words(tmp_path / "model", form, **options))).torch_model()
    original = make_words(form, **options)
    with torch.no_grad():
        assert torch.equal(model.module(*model.example_inputs), original(*model.example_inputs))
    assert model.words == form
    assert model.max_length == 24
    assert model.labels == (() if options else CLASSES)
    assert model.pooling == ("mean+cls" if options else None)
    assert [table.alias for table in model.tables] == ["position", "type"]


def test_counts_the_constants_of_the_rows_and_no_table(folder: Path) -> None:
    word = inspect_model(edgeemb.load(str(folder))).tables[0]
    assert (word.alias, word.rows, word.bytes) == ("word", 0, 2 * FORM.dim + 2 * FORM.lanes)


def spoil(change: dict[str, Any]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        values = json.loads((path / "edgeemb.json").read_text("utf-8"))
        (path / "edgeemb.json").write_text(json.dumps({**values, **change}), "utf-8")

    return write


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (spoil({"schema": 2}), "has schema 2 and tokenizer 'words', this edgeemb reads 1"),
        (spoil({"tokenizer": "pieces"}), "tokenizer 'pieces'"),
        (spoil({"width": 40}), "width=40 is out of range"),
        (spoil({"width": "wide"}), "width and ngram are not whole numbers"),
        (spoil({"ngram": {"n": 3, "lanes": 4, "dim": 64, "seed": 0}}), "1 differ, such as projection.weight"),
        (spoil({"ngram": {"n": 3, "lanes": 3, "dim": 48, "seed": 0}}), "lanes=3 is not possible"),
        (spoil({"ngram": {"words": 3}}), "describes no model"),
        (spoil({"max_length": 900}), r"max_length 900 is outside \[3, 32\]"),
        (lambda path: (path / "model.safetensors").write_bytes(b"short"), "truncated or not a safetensors"),
        (lambda path: (path / "config.json").write_text("[]"), "where a JSON object belongs"),
    ],
    ids=["schema", "tokenizer", "width", "type", "shape", "lanes", "option", "length", "weights", "config"],
)
def test_refuses_a_damaged_folder_in_one_line(
    damage: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    path = save_words(tmp_path / "model")
    damage(path)
    with pytest.raises(ModelError, match=message) as caught:
        edgeemb.load(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ops", ["builtin", "custom"])
def test_runs_in_onnx_as_the_original_does(ops: str, folder: Path, tmp_path: Path) -> None:
    bundle = edgeemb.export(str(folder), tmp_path / "bundle", ops=ops, body="fp32")
    original = make_words()
    with edgeemb.open(bundle, ops=ops, allow_code=True) as session:
        manifest = session.manifest
        assert session.engine.ops == ops
        found = session.encode(TEXTS)
        feeds = [session.feeds([tokens]) for tokens in session.tokens(TEXTS)]
        made = session.run(make_feeds(manifest, 9))
    assert (manifest.tokenizer, manifest.labels) == ("words", list(CLASSES))
    assert manifest.tables["word"].rows == 0
    assert not (bundle / TOKENIZER).exists()
    assert manifest.parity["sentences"] == 64
    assert manifest.parity["cosine_min"] > 0.99
    with torch.no_grad():
        wanted = [original(*map(torch.from_numpy, row.values())).numpy()[0] for row in feeds]
    # A byte takes 48 bits here at most; position rows are int8.
    np.testing.assert_allclose(found, wanted, atol=0.05)
    assert made.shape == (1, len(CLASSES))


def test_gives_golden_tokens_that_any_port_can_check(micro: Path) -> None:
    golden = json.loads((micro / GOLDEN).read_text("utf-8"))
    for text, tokens in zip(golden["sentences"], golden["tokens"], strict=True):
        expected = words.tokenize(text, FORM.width, 24)
        assert [bytes.fromhex(token).rstrip(b"\0") for token in tokens] == expected
    with edgeemb.open(micro, allow_code=True) as session:
        for feeds, output in read_golden(micro):
            arrays = {
                name: np.array(value, info.dtype)
                for (name, value), info in zip(feeds.items(), session.manifest.inputs, strict=True)
            }
            assert np.array_equal(session.run(arrays)[0], np.array(output, np.float32))


def test_takes_text_in_c_with_the_bits_of_the_session(micro: Path, tmp_path: Path) -> None:
    library = ctypes.CDLL(str(build_library(micro, tmp_path / "model.so")))
    run = getattr(library, f"{symbol_prefix('talk')}_run_text")
    with edgeemb.open(micro, allow_code=True) as session:
        texts = [*TEXTS, *sentences()[:20]]
        expected = session.encode(texts)
        size = session.engine.arena_bytes  # type: ignore[attr-defined]
    memory = np.zeros(size + 16, np.uint8)
    arena = ctypes.c_void_p(memory.ctypes.data + -memory.ctypes.data % 16)
    for text, row in zip(texts, expected, strict=True):
        output = np.zeros(len(row), np.float32)
        given = text.encode()
        status = run(
            arena,
            ctypes.c_size_t(size),
            given,
            ctypes.c_size_t(len(given)),
            output.ctypes.data_as(ctypes.c_void_p),
        )
        assert status == 0
        assert output.tobytes() == row.tobytes()
    empty = b"\xff"
    assert (
        run(arena, ctypes.c_size_t(size), empty, ctypes.c_size_t(1), output.ctypes.data_as(ctypes.c_void_p))
        == 3
    )
    assert run(None, ctypes.c_size_t(size), empty, ctypes.c_size_t(1), None) == 6


def test_stays_near_the_original_in_c(micro: Path) -> None:
    with edgeemb.open(micro, allow_code=True) as session:
        assert session.manifest.parity["cosine_min"] > 0.95
        assert session.manifest.sizes["tokenizer"] == 0


@requires_program("cmake", "cmake")
def test_carries_a_project_that_takes_the_golden_texts(micro: Path, tmp_path: Path) -> None:
    setup = ["-S", str(micro / "kit"), "-B", str(tmp_path), f"-DCMAKE_C_COMPILER={host_compiler()[0]}"]
    run_compiler(["cmake", *setup])
    run_compiler(["cmake", "--build", str(tmp_path)])
    assert "8 of 8 texts as expected" in run_compiler([str(tmp_path / "example")])


def test_refuses_what_it_cannot_take(folder: Path, micro: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"there is no table for 'int4': leave `table` out, or name a table of position, type"
    ):
        edgeemb.export(str(folder), tmp_path / "bundle", target="cortex-m4", table="int4")
    with pytest.raises(SpecError, match="has no tokenizer, so its vocabulary cannot be shrunk"):
        edgeemb.export(str(folder), tmp_path / "bundle", target="cortex-m4", vocab=["top:9:x.txt"])
    with pytest.raises(ExportError, match=r"length 2 is outside \[3, 24\]"):
        edgeemb.export(str(folder), tmp_path / "bundle", target="cortex-m4", lengths=[2])
    with edgeemb.open(micro, allow_code=True) as session:
        with pytest.raises(InputError, match="text 1 is empty"):
            session.encode([" "])
        mask = np.ones((1, 4), np.int64)
        with pytest.raises(
            InputError, match=r"input 'token_bytes' has shape \[1, 4, 9\]: axis 2 is 12 long in this model"
        ):
            session.run({"token_bytes": np.ones((1, 4, 9), np.uint8), "attention_mask": mask})
        with pytest.raises(InputError, match="not int64"):
            session.run({"token_bytes": np.ones((1, 4, 12), np.int64), "attention_mask": mask})


def test_says_the_class_on_the_command_line(micro: Path) -> None:
    result = CliRunner().invoke(main, ["run", str(micro), "--allow-code", "the cat sat on the mat"])
    assert result.exit_code == 0, result.output
    assert any(name in result.output for name in CLASSES)


def test_says_which_devices_take_it_as_c(micro: Path) -> None:
    for device in ("arm64-a53", "android"):
        with pytest.raises(DeviceError, match="has no vocabulary, and this device gives ids to C exports"):
            profile_on(device, micro, ProfilePlan(lengths=(16,), allow_code=True))
