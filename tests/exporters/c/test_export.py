"""The C writer and its host engine: parity, refusals, status codes, text."""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

import edgeemb
from edgeemb.errors import ExportError, InputError, NativeError, SpecError
from edgeemb.exporters.c.arena import ALIGNMENT
from edgeemb.exporters.c.writer import write
from edgeemb.exporters.targets import find_target
from edgeemb.exporters.writers import Request
from edgeemb.models.base import POOLING_MODES
from edgeemb.native.compilers import host_compiler, run_compiler
from edgeemb.runtimes.c.engine import MicroEngine, build_library
from edgeemb.runtimes.c.sources import read_sizes, symbol_prefix
from edgeemb.text.sentences import sentences
from tests.fixtures.models import Recommender, save_plain, save_sentence
from tests.fixtures.models.families import save_family
from tests.fixtures.requirements import requires_program


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A C bundle of a tiny classifier."""
    folder = tmp_path_factory.mktemp("classifier")
    save_plain(folder / "tiny", "bert", "ForSequenceClassification", num_labels=3)
    return edgeemb.export(
        str(folder / "tiny"), folder / "bundle", target="cortex-m4", table="int8", lengths=[20]
    )


#: Families that share the records of others, and one whose labeller test_windows.py compares.
_ALIKE = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("RoBERTa", "ELECTRA", "XLM-R", "CamemBERT", "data2vec", "GTE", "ModernBERT")
]


@pytest.mark.parametrize(
    "family",
    ["BERT", "DistilBERT", "MPNet", "ALBERT", "NomicBERT", *_ALIKE],
)
def test_gives_the_vectors_of_the_original_for_every_family(family: str, tmp_path: Path) -> None:
    save_family(tmp_path / "model", family, initializer_range=0.2, num_hidden_layers=2)
    bundle = edgeemb.export(str(tmp_path / "model"), tmp_path / "bundle", target="cortex-m4", table="int8")
    with edgeemb.open(bundle, allow_code=True) as session:
        assert session.manifest.runtime == "c"
        assert session.manifest.parity["cosine_min"] > 0.999
        assert session.manifest.parity["sentences"] >= 64


def test_pools_as_the_original_does_and_runs_dense_layers(tmp_path: Path) -> None:
    pooling = {"word_embedding_dimension": 16, "pooling_mode": list(POOLING_MODES)}
    save_sentence(tmp_path / "model", pooling=pooling, dense=12)
    bundle = edgeemb.export(str(tmp_path / "model"), tmp_path / "bundle", target="cortex-m4", table="int8")
    with edgeemb.open(bundle, allow_code=True) as session:
        assert session.manifest.parity["cosine_mean"] > 0.99


def test_names_the_first_part_that_it_cannot_compute_and_its_line(tmp_path: Path) -> None:
    save_family(tmp_path / "model", "RoFormer")
    with pytest.raises(
        ExportError,
        match=r"'body.encoder.layer.0.attention.self' \(RoFormerSelfAttention, .*line \d+\)",
    ):
        edgeemb.export(str(tmp_path / "model"), tmp_path / "bundle", target="cortex-m4", table="int8")
    assert not (tmp_path / "bundle").exists()


def test_refuses_a_module_that_is_no_encoder(tmp_path: Path) -> None:
    inputs = (torch.zeros(1, dtype=torch.int64), torch.zeros(1, 4, dtype=torch.int64))
    model = edgeemb.load(Recommender(), example_inputs=inputs)
    with pytest.raises(ExportError, match=r"Recommender, __init__.py line \d+"):
        edgeemb.export(model, tmp_path / "bundle", target="cortex-m4", table="int8")


def test_refuses_an_unknown_activation_and_other_bodies(tmp_path: Path) -> None:
    save_plain(tmp_path / "mish", hidden_act="mish")
    with pytest.raises(ExportError, match=r"'body.encoder.layer.0.intermediate.intermediate_act_fn' \(Mish"):
        edgeemb.export(str(tmp_path / "mish"), tmp_path / "bundle", target="cortex-m4", table="int8")
    save_plain(tmp_path / "model")
    with pytest.raises(SpecError, match="C99 cannot run the body 'fp32': use int8"):
        edgeemb.export(
            str(tmp_path / "model"), tmp_path / "bundle", target="cortex-m4", table="int8", body="fp32"
        )


def test_refuses_a_model_beyond_the_targets_flash_or_ram(tmp_path: Path) -> None:
    wide = {"hidden_size": 128, "intermediate_size": 512, "max_position_embeddings": 512}
    save_plain(tmp_path / "model", **wide)
    model = edgeemb.load(str(tmp_path / "model"))
    with pytest.raises(ExportError, match=r"bytes of flash .*cortex-m3 has 262144: \d+ too many"):
        edgeemb.export(model, tmp_path / "bundle", target="cortex-m3", table="fp32")
    with pytest.raises(ExportError, match=r"bytes of RAM .*cortex-m4 has 262144: \d+ too many"):
        edgeemb.export(model, tmp_path / "bundle", target="cortex-m4", table="int8", lengths=[500])


def test_cuts_texts_at_its_length_and_says_so_in_the_manifest(classifier: Path) -> None:
    with edgeemb.open(classifier, allow_code=True) as session:
        assert session.manifest.max_length == 20
        assert session.tokenize(["the cat " * 50])[0].shape == (1, 20)
        assert session.manifest.sizes["total"] == read_sizes(classifier, "tiny")["flash_bytes"]


@requires_program("cmake", "cmake")
def test_carries_a_cmake_project_that_gives_the_golden_vectors(classifier: Path, tmp_path: Path) -> None:
    run_compiler(
        [
            "cmake",
            "-S",
            str(classifier / "kit"),
            "-B",
            str(tmp_path),
            f"-DCMAKE_C_COMPILER={host_compiler()[0]}",
        ]
    )
    run_compiler(["cmake", "--build", str(tmp_path)])
    assert "8 of 8 texts as expected" in run_compiler([str(tmp_path / "example")])


def test_gives_the_same_row_whatever_the_batch_and_the_padding(classifier: Path) -> None:
    texts = ["a cat", "the cat sat on the mat and ran away", "the"]
    with edgeemb.open(classifier, allow_code=True) as session:
        together = session.encode(texts)
        alone = np.concatenate([session.encode([text]) for text in texts])
    assert np.array_equal(together, alone)


@pytest.mark.parametrize("target", ["cortex-m7", "ios"])
def test_a_text_has_the_bits_that_it_has_alone_in_a_batch_of_any_lengths(target: str, tmp_path: Path) -> None:
    save_family(tmp_path / "model", "MPNet", initializer_range=0.3, num_hidden_layers=2)
    bundle = edgeemb.export(
        str(tmp_path / "model"), tmp_path / "b", target=target, runtime="c", table="int8", lengths=[38]
    )
    random = np.random.default_rng(0)
    lengths = [1, 38, 2, 17, 16, 15, 3, 33, 5, 1, 1, 24, 7]
    with edgeemb.open(bundle, allow_code=True) as session:
        feeds = [
            {"input_ids": random.integers(0, 40, (1, n)), "attention_mask": np.ones((1, n), np.int64)}
            for n in lengths
        ]
        together = {
            name: np.concatenate([np.pad(one[name], ((0, 0), (0, 38 - one[name].shape[1]))) for one in feeds])
            for name in feeds[0]
        }
        alone = np.concatenate([session.run(one) for one in feeds])
        assert session.run(together).tobytes() == alone.tobytes()
        assert isinstance(session.engine, MicroEngine)
        out = np.empty((1, alone.shape[1]), np.float32)
        session.engine.run_tokens(feeds[3]["input_ids"][0], out[0])
        assert out.tobytes() == alone[3:4].tobytes()
        together["input_ids"][4, 3] = 10**6
        with pytest.raises(InputError, match="id 1000000 is outside"):
            session.run(together)


def test_names_the_length_of_the_text_that_a_batch_cannot_take(classifier: Path) -> None:
    with edgeemb.open(classifier, allow_code=True) as session:
        ids = np.full((2, 21), 5)
        mask = np.ones_like(ids)
        mask[0, 4:] = 0
        assert isinstance(session.engine, MicroEngine)
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        with pytest.raises(InputError, match="refused 21 tokens: the text has more tokens"):
            session.engine.run(feeds)


def test_reports_an_id_out_of_range_through_the_session(classifier: Path) -> None:
    with (
        edgeemb.open(classifier, allow_code=True) as session,
        pytest.raises(InputError, match="id 99999 is outside"),
    ):
        session.run({"input_ids": np.array([[99999]]), "attention_mask": np.array([[1]])})


@pytest.fixture(scope="module")
def library(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The tiny classifier, compiled without a warning."""
    out = tmp_path_factory.mktemp("library") / "tiny.so"
    return ctypes.CDLL(str(build_library(classifier, out, ("-Wall", "-Wextra", "-Werror", "-pedantic"))))


def call(library: ctypes.CDLL, ids: Sequence[int] | None, **change: Any) -> int:
    """Status of `tiny_run` with sound arguments, but for those that are changed."""
    sizes = np.zeros(1 << 20, np.uint8)
    base = sizes.ctypes.data + -sizes.ctypes.data % ALIGNMENT
    given_ids = np.array(ids or [0], np.int32)
    output = np.zeros(64, np.float32)
    values = {
        "arena": base,
        "arena_bytes": len(sizes) - ALIGNMENT,
        "ids": None if ids is None else given_ids.ctypes.data,
        "count": len(ids or [0]),
        "output": output.ctypes.data,
        **change,
    }
    kinds = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    arguments = [kind(value) for kind, value in zip(kinds, values.values(), strict=True)]
    return int(library.tiny_run(*arguments))


def test_answers_every_misuse_with_its_status_code(library: ctypes.CDLL, classifier: Path) -> None:
    sizes = read_sizes(classifier, "tiny")
    memory = np.zeros(1 << 20, np.uint8)
    odd = memory.ctypes.data + -memory.ctypes.data % ALIGNMENT + 4
    assert call(library, [2, 5, 3]) == 0
    assert call(library, [2, sizes["rows"], 3]) == 1
    assert call(library, [2, -1, 3]) == 1
    assert call(library, [2] * (sizes["tokens"] + 1)) == 2
    assert call(library, [2], count=0) == 3
    assert call(library, [2], arena_bytes=sizes["arena_bytes"] - 1) == 4
    assert call(library, [2], arena_bytes=sizes["arena_bytes"]) == 0
    assert call(library, [2], arena=odd) == 5
    assert call(library, None) == 6
    assert call(library, [2], arena=None) == 6
    assert call(library, [2], output=None) == 6


STRANGE = (
    "Thé CÁT!", "the\u00a0cat\tsat", "猫sat", "a" * 101, "ran\u0301 away", "ﬁ İ ẞ Σ", "한국 cat", "\u200bcat\ufffd", "a\U000e0001b",
    "the,cat.sat", "cat " * 40, "\U0010ffffcat \U00050000", "sat-on_the(mat)", "the [SEP] cat [MASK]",
    "the cat sat on the mat. " * 300, "[CLS]", "x" * 400 + " cat",
)  # fmt: skip


def tokenize(library: ctypes.CDLL, text: bytes, room: int = 1 << 17) -> tuple[int, list[int]]:
    """Status and ids of `tiny_tokenize` in an arena of some bytes."""
    ids, count = np.zeros(20, np.int32), ctypes.c_size_t()
    memory = np.zeros(1 << 18, np.uint8)
    status = library.tiny_tokenize(
        ctypes.c_void_p(memory.ctypes.data + -memory.ctypes.data % ALIGNMENT),
        ctypes.c_size_t(room),
        text,
        ctypes.c_size_t(len(text)),
        ctypes.c_void_p(ids.ctypes.data),
        ctypes.byref(count),
    )
    return int(status), ids[: count.value].tolist()


def test_reads_text_as_the_models_tokenizer_does(library: ctypes.CDLL, classifier: Path) -> None:
    tokenizer = Tokenizer.from_file(str(classifier / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(20)
    for text in (*sentences(), *STRANGE):
        assert tokenize(library, text.encode()) == (0, tokenizer.encode(text).ids), text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(deadline=None)
def test_reads_any_text_as_the_models_tokenizer_does(library: Any, classifier: Path, text: str) -> None:
    tokenizer = Tokenizer.from_file(str(classifier / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(20)
    expected = tokenizer.encode(text).ids
    status = 0 if tokenizer.encode(text, add_special_tokens=False).ids else 3
    assert tokenize(library, text.encode()) == (status, expected if status == 0 else [])


@pytest.mark.parametrize(
    ("text", "status"), [("", 3), (" \t\n", 3), ("\u200b\u3000", 3), ("!", 0), ("\u0416", 0)]
)
def test_a_text_without_a_word_is_an_error(text: str, status: int, library: ctypes.CDLL) -> None:
    memory = np.zeros(1 << 20, np.uint8)
    arena = memory.ctypes.data + -memory.ctypes.data % ALIGNMENT
    output = np.full(3, 7, np.float32)
    got = library.tiny_run_text(
        ctypes.c_void_p(arena),
        ctypes.c_size_t((1 << 20) - ALIGNMENT),
        text.encode(),
        ctypes.c_size_t(len(text.encode())),
        ctypes.c_void_p(output.ctypes.data),
    )
    assert got == status and (status == 0) == bool((output != 7).any())


def test_takes_text_in_and_gives_what_its_ids_give(library: ctypes.CDLL, classifier: Path) -> None:
    memory = np.zeros(1 << 20, np.uint8)
    arena = memory.ctypes.data + -memory.ctypes.data % ALIGNMENT
    size = read_sizes(classifier, "tiny")["arena_bytes"]
    output = np.zeros(3, np.float32)

    def run_text(text: bytes, at: int = arena, bytes_: int = size) -> int:
        return int(
            library.tiny_run_text(
                ctypes.c_void_p(at), ctypes.c_size_t(bytes_), text, ctypes.c_size_t(len(text)),
                ctypes.c_void_p(output.ctypes.data),
            )
        )  # fmt: skip

    with edgeemb.open(classifier, allow_code=True) as session:
        assert run_text(b"the cat sat on the mat") == 0
        assert output.tolist() == session.encode(["the cat sat on the mat"])[0].tolist()
    assert run_text(b"cat \xff") == 7
    assert run_text(b"cat \xc3") == 7
    assert run_text(b"\xed\xa0\x80") == 7
    assert run_text(b"cat", at=arena + 4) == 5
    assert run_text(b"cat", bytes_=size - 1) == 4


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta"])
def test_reads_text_with_every_kind_of_tokenizer(family: str, tmp_path: Path) -> None:
    save_plain(tmp_path / "model", family)
    model = edgeemb.load(str(tmp_path / "model"))
    (tmp_path / "out").mkdir()
    written = write(Request(model, {}, "int8", "builtin", (20,), find_target("cortex-m7")), tmp_path / "out")
    assert not any("text" in note for note in written.notes)
    library = ctypes.CDLL(str(build_library(tmp_path / "out", tmp_path / "model.so", ("-Wall", "-Werror"))))
    library.tiny_tokenize = getattr(library, f"{symbol_prefix(model.name)}_tokenize")
    assert model.tokenizer_json is not None
    tokenizer = Tokenizer.from_str(model.tokenizer_json)
    tokenizer.no_padding()
    tokenizer.enable_truncation(20)
    room = read_sizes(tmp_path / "out", model.name)["arena_bytes"]
    for text in (*sentences(), *STRANGE[:3], "the cat sat on the mat. " * 300):
        assert tokenize(library, text.encode(), room) == (0, tokenizer.encode(text).ids), text


def test_a_text_that_needs_more_memory_is_told_so(library: ctypes.CDLL, classifier: Path) -> None:
    room = read_sizes(classifier, "tiny")["arena_bytes"]
    text = ("\u732b" * 400).encode()
    assert tokenize(library, text, room)[0] == 8
    assert tokenize(library, text, 1 << 17)[0] == 0


def test_says_which_tokenizers_it_cannot_write(tmp_path: Path) -> None:
    save_plain(tmp_path / "model", "roberta")
    model = edgeemb.load(str(tmp_path / "model"))
    assert model.tokenizer_json is not None
    values = json.loads(model.tokenizer_json)
    values["model"]["dropout"] = 0.1
    model = replace(model, tokenizer_json=json.dumps(values))
    (tmp_path / "out").mkdir()
    written = write(Request(model, {}, "int8", "builtin", (16,), find_target("cortex-m7")), tmp_path / "out")
    assert any("only ids, not text: " in note and "(dropout)" in note for note in written.notes)
    assert "run_text" not in (tmp_path / "out" / "model.h").read_text("utf-8")


def test_classifies_and_may_run_in_several_threads(library: ctypes.CDLL, classifier: Path) -> None:
    bytes_ = read_sizes(classifier, "tiny")["arena_bytes"]
    results: dict[int, list[float]] = {}

    def work(number: int, ids: list[int]) -> None:
        memory = np.full(bytes_ + ALIGNMENT, number, np.uint8)
        arena = memory.ctypes.data + -memory.ctypes.data % ALIGNMENT
        output, label = np.zeros(3, np.float32), ctypes.c_int32(-1)
        tokens = np.array(ids, np.int32)
        for _ in range(50):
            status = library.tiny_classify(
                ctypes.c_void_p(arena), ctypes.c_size_t(bytes_), tokens.ctypes.data_as(ctypes.c_void_p),
                ctypes.c_size_t(len(tokens)), output.ctypes.data_as(ctypes.c_void_p), ctypes.byref(label),
            )  # fmt: skip
            assert (status, label.value) == (0, int(output.argmax()))
        results[number] = output.tolist()

    threads = [threading.Thread(target=work, args=(number, [2, 5 + number % 2, 7, 3])) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0] == results[2] != results[1] == results[3]


def test_needs_more_ram_only_in_proportion_to_the_length(tmp_path: Path) -> None:
    save_plain(tmp_path / "model", max_position_embeddings=300, hidden_size=64, intermediate_size=128)
    model = edgeemb.load(str(tmp_path / "model"))
    arenas = {}
    for length in (16, 64, 128, 256):
        (tmp_path / str(length)).mkdir()
        request = Request(model, {}, "int8", "builtin", (length,), find_target("cortex-m7"))
        write(request, tmp_path / str(length))
        arenas[length] = read_sizes(tmp_path / str(length), model.name)["arena_bytes"]
    per_token = [(arenas[b] - arenas[a]) / (b - a) for a, b in ((16, 64), (64, 128), (128, 256))]
    assert max(per_token) < 1.05 * min(per_token)


def test_makes_a_c_identifier_of_any_name() -> None:
    assert symbol_prefix("all-MiniLM-L6-v2") == "all_minilm_l6_v2"
    assert symbol_prefix("7b") == "model_7b"
    assert symbol_prefix("--") == "model"


def test_says_in_one_line_why_a_compiler_failed(tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text("int main(void) { return missing; }", "utf-8")
    with pytest.raises(NativeError, match=r"failed: .*missing"):
        run_compiler([*host_compiler(), str(tmp_path / "bad.c"), "-o", str(tmp_path / "bad")])
