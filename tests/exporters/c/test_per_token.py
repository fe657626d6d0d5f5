"""C exports with a row of outputs for each token: labels of tokens, and vectors of tokens."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

import edgeemb
from edgeemb.errors import ExportError
from edgeemb.exporters import parity
from edgeemb.exporters.c.reading import read_encoder
from edgeemb.exporters.c.writer import write
from edgeemb.exporters.parity import run_both
from edgeemb.exporters.targets import find_target
from edgeemb.exporters.writers import Request
from edgeemb.native.compilers import host_compiler, run_compiler
from edgeemb.runtimes import OpenOptions, describe
from edgeemb.runtimes.c.engine import MicroEngine, cached_library
from edgeemb.runtimes.c.sources import read_sizes
from edgeemb.tasks.registry import TOKEN_CLASSIFICATION
from edgeemb.text.sentences import sentences
from tests.fixtures.c_functions import Call, functions_of
from tests.fixtures.models import save_sentence
from tests.fixtures.models.families import LABELLER, load_labeller, reference_model, save_family, save_task

TARGETS = ("cortex-m7", "ios")
#: Tokens of texts that are run together; more in all than the arena has room for at once.
LENGTHS = (1, 38, 2, 17, 16, 15, 3, 33, 5, 1, 1, 24, 7)


def batch(lengths: Sequence[int] = LENGTHS) -> dict[str, NDArray[np.int64]]:
    """Texts of these lengths, padded."""
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    ids = np.random.default_rng(0).integers(5, 40, mask.shape) * mask
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("target", TARGETS)
def test_gives_the_logits_of_the_original_for_each_token(target: str, labellers: dict[str, Path]) -> None:
    feeds = batch()
    with edgeemb.open(labellers[target], allow_code=True) as session:
        assert session.manifest.parity["logits.difference_min"] > 0.9
        found = session.run(feeds)
    assert found.shape == (*feeds["input_ids"].shape, 3)
    reference = reference_model("BERT", "ForTokenClassification", **LABELLER)
    with torch.no_grad():
        wanted = reference(**{name: torch.from_numpy(value) for name, value in feeds.items()}).logits.numpy()
    there = feeds["attention_mask"] == 1
    np.testing.assert_allclose(found[there], wanted[there], atol=0.08 * np.abs(wanted[there]).max())
    assert not found[~there].any()


@pytest.mark.parametrize(("target", "threads"), [("cortex-m7", 0), ("ios", 0), ("ios", 3)])
def test_a_token_has_the_bits_that_it_has_where_its_text_is_alone(
    target: str, threads: int, labellers: dict[str, Path]
) -> None:
    feeds = batch()
    with edgeemb.open(labellers[target], threads=threads, allow_code=True) as session:
        together = session.run(feeds)
        assert isinstance(session.engine, MicroEngine)
        for row, count in enumerate(LENGTHS):
            one = {name: value[row : row + 1, :count] for name, value in feeds.items()}
            assert session.run(one).tobytes() == together[row, :count].tobytes()
        out = np.empty((17, 3), np.float32)
        session.engine.run_tokens(feeds["input_ids"][3, :17], out)
        assert out.tobytes() == together[3, :17].tobytes()
        bare = session.engine.bare({name: value[3:4] for name, value in feeds.items()})()
        assert any(np.array_equal(kept, out) for kept in bare if isinstance(kept, np.ndarray))  # type: ignore[attr-defined]


def test_boards_and_application_processors_give_the_same_bits(labellers: dict[str, Path]) -> None:
    found = []
    for target in TARGETS:
        with edgeemb.open(labellers[target], allow_code=True) as session:
            found.append(session.run(batch()))
    np.testing.assert_array_equal(*found)


def test_labels_words_as_the_model_does(labellers: dict[str, Path]) -> None:
    text = "the cats ran away, a MAT sat"
    reference = reference_model("BERT", "ForTokenClassification", **LABELLER)
    tokenizer = Tokenizer.from_file(str(labellers["ios"] / "tokenizer.json"))
    encoding = tokenizer.encode(text)
    with torch.no_grad():
        scores = reference(input_ids=torch.tensor([encoding.ids])).logits[0].softmax(-1).numpy()
    with edgeemb.open(labellers["ios"], allow_code=True) as session:
        (words,) = session.label_words([text])
    assert [text[word.start : word.end] for word in words] == [
        "the",
        "cats",
        "ran",
        "away",
        ",",
        "a",
        "MAT",
        "sat",
    ]
    for word in words:
        first = next(place for place, (low, high) in enumerate(encoding.offsets) if low == word.start < high)
        best = int(scores[first].argmax())
        assert word.label == LABELLER["id2label"][best]
        assert word.score == pytest.approx(scores[first, best], abs=0.1)


@pytest.fixture(scope="module", params=TARGETS)
def function(
    request: pytest.FixtureRequest, labellers: dict[str, Path]
) -> tuple[Path, Callable[[str], Call]]:
    """The functions of a compiled export by name, with an arena of the least size."""
    bundle = labellers[request.param]
    library = ctypes.CDLL(str(cached_library(bundle)))
    return bundle, functions_of(library, read_sizes(bundle, "m")["arena_bytes"])


def test_gives_the_number_of_the_largest_output_of_each_token(
    function: tuple[Path, Callable[[str], Call]],
) -> None:
    _, named = function
    ids = np.array([2, 5, 9, 30, 7, 3], np.int32)
    output, labels = np.zeros((6, 3), np.float32), np.full(7, -1, np.int32)
    assert named("m_label")(ids, 6, output, labels) == 0
    assert labels.tolist() == [*output.argmax(axis=1).tolist(), -1]
    assert len(set(labels[:6].tolist())) > 1
    assert named("m_label")(ids, 6, output, None) == 6
    ids[2] = -1
    assert named("m_label")(ids, 6, output, labels) == 1


@pytest.mark.parametrize(
    "text", ["the cats ran", "Thé CÁT, ran a\u0301way! 猫sat", "the cat sat on the mat " * 20, "\ufffdİ the"]
)
def test_gives_the_places_of_the_tokens_in_the_text(
    text: str, function: tuple[Path, Callable[[str], Call]]
) -> None:
    bundle, named = function
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    tokenizer.enable_truncation(38)
    encoding = tokenizer.encode(text)
    output, spans = np.zeros((38, 3), np.float32), np.zeros((38, 2), np.uint32)
    count, data = ctypes.c_size_t(), text.encode()
    assert named("m_run_text")(data, len(data), output, spans, ctypes.byref(count)) == 0
    assert count.value == len(encoding.ids)
    at = [len(text[:place].encode()) for place in range(len(text) + 1)]
    assert [[at[low], at[high]] for low, high in encoding.offsets] == spans[: count.value].tolist()
    with edgeemb.open(bundle, allow_code=True) as session:
        wanted = session.run({"input_ids": [encoding.ids], "attention_mask": [[1] * len(encoding.ids)]})
    assert output[: count.value].tobytes() == wanted.tobytes()
    alone = np.zeros_like(output)
    assert named("m_run_text")(data, len(data), alone, None, ctypes.byref(count)) == 0
    assert alone.tobytes() == output.tobytes()
    assert named("m_run_text")(data, len(data), output, spans, None) == 6
    assert named("m_run_text")(b" ", 1, output, spans, ctypes.byref(count)) == 3


def test_the_header_says_what_a_result_is(labellers: dict[str, Path]) -> None:
    for bundle in labellers.values():
        header = (bundle / "model.h").read_text()
        assert "#define M_PER_TOKEN 1u" in header and "#define M_OUTPUTS 3u" in header
        assert "output [count][M_OUTPUTS], row t that of token t" in header
        assert "m_classify" not in header and "@" not in header
        assert read_sizes(bundle, "m")["per_token"] == 1


def test_golden_sentences_whose_rows_are_too_many_for_a_file_are_left_out(
    labellers: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sentences()[:8]
    monkeypatch.setattr(parity, "sentences", lambda: first)
    monkeypatch.setattr(parity, "script_sentences", lambda tokenizer: [])
    with edgeemb.open(labellers["ios"], allow_code=True) as session:
        whole = run_both(load_labeller(), session).golden
        sizes = [len(output) for output in whole["output"]]
        monkeypatch.setattr(parity, "_GOLDEN_VALUES", max(sizes) - 1)
        fewer = run_both(load_labeller(), session).golden
        kept = [size for size in sizes if size < max(sizes)]
        assert 0 < len(kept) < len(sizes) == 8
        assert [len(output) for output in fewer["output"]] == [3 * len(ids) for ids in fewer["ids"]] == kept
        assert session.tokens(fewer["sentences"]) == fewer["ids"]
        monkeypatch.setattr(parity, "_GOLDEN_VALUES", 0)
        assert run_both(load_labeller(), session).golden == {"sentences": first}


@pytest.mark.parametrize("target", TARGETS)
def test_compiles_without_a_warning(target: str, labellers: dict[str, Path]) -> None:
    strict = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only")
    bundle = labellers[target]
    run_compiler([*host_compiler(), *strict, f"-I{bundle}", str(bundle / "model.c")])


@pytest.mark.parametrize(
    "family",
    ["DistilBERT", "RoBERTa", "XLM-R", "MPNet", "ALBERT", "ELECTRA", "ModernBERT", "NomicBERT", "GTE"],
)
def test_reads_the_classifier_of_every_family(family: str, tmp_path: Path) -> None:
    save_family(tmp_path / "m", family, "ForTokenClassification", id2label=LABELLER["id2label"])
    model = edgeemb.load(str(tmp_path / "m"))
    encoder = read_encoder(model)
    assert encoder.per_token and encoder.task is TOKEN_CLASSIFICATION and encoder.outputs == 3
    *before, dense = encoder.head
    assert [each.norm is not None for each in before] == [True] * (family == "ModernBERT")
    np.testing.assert_array_equal(dense.linear.weight, model.module.body.classifier.weight.detach().numpy())
    assert dense.activation == "EEM_IDENTITY"


def test_names_the_heads_that_it_cannot_compute(tmp_path: Path) -> None:
    save_task(tmp_path / "m", "sparse-embedding")
    with pytest.raises(ExportError, match=r"cannot compute \(SparseEncoder, modules.py line \d+\)"):
        read_encoder(edgeemb.load(str(tmp_path / "m")))


@pytest.mark.parametrize(("dense", "target"), [(12, "ios"), (None, "cortex-m7")])
def test_gives_a_vector_for_each_token(
    dense: int | None, target: str, labellers: dict[str, Path], tmp_path: Path
) -> None:
    save_sentence(tmp_path / "m", dense=dense)
    stages = json.loads((tmp_path / "m" / "modules.json").read_text())
    kept = [stage for stage in stages if "Pooling" not in stage["type"]]
    (tmp_path / "m" / "modules.json").write_text(
        json.dumps([*kept, {"path": "4_M", "type": "x.MultiVectorMask"}])
    )
    model = edgeemb.load(str(tmp_path / "m"))
    feeds, folder = batch(), tmp_path / target
    folder.mkdir()
    write(Request(model, {}, "int8", "builtin", (38,), find_target(target)), folder)
    assert "m_label" not in (folder / "model.h").read_text()
    # Built without optimisation, in half the time.
    engine = MicroEngine(folder, describe(labellers[target]), OpenOptions(), ("-O0",))
    (found,) = engine.run(feeds)
    engine.close()
    there = feeds["attention_mask"] == 1
    np.testing.assert_allclose(np.linalg.norm(found[there], axis=1), 1, atol=1e-5)
    (wanted,) = model.reference(feeds)
    assert found.shape == wanted.shape and (found * wanted).sum(axis=2)[there].min() > 0.99
    # Nothing is said of queries and documents: both are read as any text.
    sizes = read_sizes(folder, "m")
    named = functions_of(ctypes.CDLL(str(cached_library(folder, ("-O0",)))), sizes["arena_bytes"])
    vectors, count = np.zeros((3, 38, sizes["outputs"]), np.float32), ctypes.c_size_t()
    data = b"the cats ran away"
    assert named("m_run_text")(data, len(data), vectors[0], None, ctypes.byref(count)) == 0
    for place, name in enumerate(("m_run_query", "m_run_document"), 1):
        assert named(name)(data, len(data), vectors[place], ctypes.byref(count)) == 0
        np.testing.assert_array_equal(vectors[place], vectors[0])
    assert count.value > 4 and named("m_run_query")(b"", 0, vectors[1], ctypes.byref(count)) == 3
