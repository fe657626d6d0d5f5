"""The Android kit: what is Android's own compiles against its signatures, and the rest gives what Python gives."""

from __future__ import annotations

import itertools
import json
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from tokenizers import Tokenizer

import edgeemb
from edgeemb.bundle.manifest import Manifest, VectorsEntry
from edgeemb.errors import SpecError
from edgeemb.exporters.kits import FOLDER, Kit
from edgeemb.exporters.kits.android import kit as android_kit
from edgeemb.runtimes import describe
from edgeemb.runtimes.registry import RUNTIMES
from edgeemb.text.compiled import compile_tokenizer
from edgeemb.text.sentences import sentences
from edgeemb.vectors.codes import unit
from edgeemb.vectors.form import VectorForm
from edgeemb.vectors.registry import codes_of, parse_vectors
from tests.fixtures.java import PROGRAMS, compile_java, driver, java
from tests.fixtures.models.words import save_words
from tests.fixtures.requirements import requires_program
from tests.fixtures.tokenizers.small import KINDS, tokenizer_json

LIMIT = 48
#: What the kit of each runtime depends on.
KITS = {
    runtime.name: runtime.phone.dependency
    for runtime in RUNTIMES.values()
    if runtime.phone is not None and runtime.phone.dependency
}
#: The most that a phone's bundle of MiniLM may occupy, in bytes: int4 table, int8 body, tokenizer and kit.
MOST_BYTES = 19_500_000

pytestmark = requires_program("javac", "default-jdk-headless")

TEXTS = [
    "",
    " \t\n ",
    "A man is eating food.",
    "Ärger mit naïven Façaden: coöperate, Ångström, Łódź, ﬁne, ß, İstanbul, ΑΣ",
    "e\u0301 \u0065\u0308\u0301 \u1e69 s\u0323\u0307",
    "日本語のテキスト、漢字とカタカナ 한국어 각 힣 中文",
    "emoji 🎉👩‍👩‍👧 flags 🇩🇪 math ∑∫ quotes “„”‚’ dashes –— $5 €7 <b>",
    "con\x00trol\x07 \x7f\x9f \u200b\u200d\ufeff\ufffd \u00ad soft",
    "\u2028 \u3000 \u00a0 spaces \u2003",
    "[CLS] spelled [SEP] out a[MASK]b [PAD [sep] [UNK]",
    "don't stop-me_now... 1,234.56 a/b C++ #tag @me",
    "हिन्दी देवनागरी العربية עִבְרִית ภาษาไทย",
    "x" * 99 + " " + "x" * 100 + " " + "x" * 101 + " " + "é" * 250,
    "word " * 400,
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
]


@pytest.fixture(scope="module")
def bundle(android_bundle: Path) -> Path:
    return android_bundle


@pytest.fixture(scope="module")
def classes(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle's own kit, compiled with the driver of these tests."""
    out = tmp_path_factory.mktemp("classes")
    compile_java(out, bundle / FOLDER / "src" / "main" / "java" / "edgeemb", PROGRAMS / "driver" / "edgeemb")
    return out


def ids_in_python(text: str, texts: Sequence[str], limit: int = LIMIT) -> list[list[int]]:
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    return [list(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]


def in_python(tokenizer: Tokenizer, text: str, pair: str | None = None) -> list[list[int]]:
    """Ids, types, and where the parts begin and end, in units of UTF-16."""
    found = tokenizer.encode(text) if pair is None else tokenizer.encode(text, pair)
    before = [
        np.concatenate([[0], np.cumsum([1 + (char > "\uffff") for char in part])]).tolist()
        for part in (text, pair or "")
    ]
    parts = [
        (0, 0) if number is None else (before[number][start], before[number][end])
        for number, (start, end) in zip(found.sequence_ids, found.offsets, strict=True)
    ]
    return [list(found.ids), list(found.type_ids), [start for start, _ in parts], [end for _, end in parts]]


def test_tokens_are_those_of_the_library(classes: Path, minilm_folder: Path, tmp_path: Path) -> None:
    tokenizers = {kind: tokenizer_json(kind) for kind in KINDS}
    tokenizers["minilm"] = (minilm_folder / "tokenizer.json").read_text("utf-8")
    rng = np.random.default_rng(0)
    anywhere = [code for code in rng.integers(1, 0x110000, 4000).tolist() if not 0xD800 <= code < 0xE000]
    random = ["".join(map(chr, anywhere[at : at + 40])) for at in range(0, 3200, 40)]
    texts = [*TEXTS, *sentences()[:40], *random, "word, " * 3000]
    files = [tmp_path / f"{number}.bin" for number in range(len(tokenizers))]
    for file, text in zip(files, tokenizers.values(), strict=True):
        file.write_bytes(compile_tokenizer(text))
    encoded = [text.encode("utf-8") for text in texts]
    data = b"".join(struct.pack(">i", len(text)) + text for text in encoded) + struct.pack(">i", -1)
    done = java(classes, "tokenize", tmp_path, LIMIT, *files, data=data)
    assert done.returncode == 0 and not done.stderr, done.stderr
    numbers = np.frombuffer(done.stdout, ">i4").tolist()
    at = 0
    for kind, text in tokenizers.items():
        reference = Tokenizer.from_str(text)
        reference.no_padding()
        reference.enable_truncation(LIMIT)
        for pair in [(one,) for one in texts] + list(itertools.pairwise(texts)):
            count = numbers[at]
            rows = np.reshape(numbers[at + 2 : at + 2 + 5 * count], (5, count)).tolist()
            assert [*rows[:2], *rows[3:]] == in_python(reference, *pair), (kind, pair)
            at += 2 + 5 * count
    assert at == len(numbers)


def test_a_damaged_tokenizer_is_refused_in_one_line(classes: Path, bundle: Path, tmp_path: Path) -> None:
    content = (bundle / "tokenizer.bin").read_bytes()
    newer = content[:4] + struct.pack("<I", 2) + content[8:]
    for damaged, words in ((newer, b"of another version"), (content[:-3], b"is damaged")):
        (tmp_path / "tokenizer.bin").write_bytes(damaged)
        done = java(
            classes, "tokenize", tmp_path, LIMIT, tmp_path / "tokenizer.bin", data=struct.pack(">i", -1)
        )
        assert done.returncode == 1
        assert words in done.stderr
        assert done.stderr.count(b"\n") == 1


def test_a_process_without_the_library_is_told_what_to_do(classes: Path, bundle: Path) -> None:
    command = ["java", "-Djava.library.path=/nowhere", "-cp", str(classes), "edgeemb.Driver"]
    done = subprocess.run(
        [*command, "encode", str(bundle / FOLDER / "assets"), "text"], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"has no tokenizer for this process" in done.stderr and b"call encodeIds" in done.stderr
    assert done.stderr.count(b"\n") == 1


class Remote:
    """The runtime of a model whose other half runs in Java: takes its inputs and gives it the outputs of a session.

    :param session: an open session.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        self.runs = 0

    def serve(self, command: Sequence[str]) -> tuple[bytes, bytes, int]:
        """Run a command and answer it; gives what it wrote at the end, its errors and its exit status."""
        names = [info.name for info in self.session.manifest.inputs]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdin is not None and process.stdout is not None and process.stderr is not None
            while (head := process.stdout.read(4)) and (count := struct.unpack(">i", head)[0]) > 0:
                values = [self._input(process.stdout, number) for number in range(count)]
                outputs = self.session.run_all(dict(zip(names, values, strict=True)))
                task = self.session.task
                if task is None or not (task.per_token or task.per_vocabulary):
                    outputs = outputs[:1]
                process.stdin.write(b"".join(output.astype(">f4").tobytes() for output in outputs))
                process.stdin.flush()
                self.runs += 1
            rest = process.stdout.read()
            errors = process.stderr.read()
            process.wait(timeout=60)
        return rest, errors, process.returncode

    def _input(self, stream: IO[bytes], number: int) -> Any:
        info = self.session.manifest.inputs[number]
        (length,) = struct.unpack(">i", stream.read(4))
        values = np.frombuffer(stream.read(8 * length), ">i8").astype(info.dtype)
        return values.reshape([1, -1, *info.axes[2:]])


def test_a_model_gives_its_golden_vectors(classes: Path, bundle: Path) -> None:
    with edgeemb.open(bundle) as session:
        remote = Remote(session)
        command = [*driver(classes), "check", str(bundle / FOLDER / "assets")]
        rest, errors, status = remote.serve(command)
    assert status == 0, errors
    assert remote.runs == len(json.loads((bundle / "golden.json").read_text())["sentences"])
    assert struct.unpack(">f", rest)[0] == pytest.approx(1, abs=1e-6)


def test_a_model_without_a_vocabulary_gives_its_golden_vectors(classes: Path, tmp_path: Path) -> None:
    save_words(tmp_path / "talk")
    bundle = edgeemb.export(str(tmp_path / "talk"), tmp_path / "bundle", target="android")
    with edgeemb.open(bundle) as session:
        remote = Remote(session)
        rest, errors, status = remote.serve([*driver(classes), "check", str(bundle / FOLDER / "assets")])
    assert status == 0, errors
    assert remote.runs == len(json.loads((bundle / "golden.json").read_text())["sentences"])
    assert struct.unpack(">f", rest)[0] == pytest.approx(1, abs=1e-6)


def test_a_model_of_single_texts_takes_no_pair(classes: Path, bundle: Path) -> None:
    done = java(classes, "encode", bundle / FOLDER / "assets", "the cat", "a mat")
    assert done.returncode == 1
    assert done.stderr.decode().strip() == "the model takes single texts, not pairs: give each text by itself"


def test_a_phone_that_tokenizes_otherwise_is_told(classes: Path, bundle: Path, tmp_path: Path) -> None:
    assets = shutil.copytree(bundle / FOLDER / "assets", tmp_path / FOLDER / "assets")
    shutil.copyfile(bundle / "tokenizer.bin", tmp_path / "tokenizer.bin")
    golden = json.loads((bundle / "golden.json").read_text())
    golden["ids"][2][1] += 1
    (assets / "golden.bin").write_bytes(android_kit.golden_bytes(golden))
    with edgeemb.open(bundle) as session:
        command = [*driver(classes), "check", str(assets)]
        _, errors, status = Remote(session).serve(command)
    assert status == 1
    assert errors.decode().startswith("the tokenizer gives other tokens than the export for: ")


@pytest.mark.parametrize("text", ["", " \u3000\t\n"])
def test_an_empty_text_is_refused(classes: Path, bundle: Path, text: str) -> None:
    done = java(classes, "encode", bundle / FOLDER / "assets", text)
    assert done.returncode == 1
    assert done.stderr.decode().strip() == "the text is empty: its vector would mean nothing"


def test_pooling_gives_what_python_gives(classes: Path, bundle: Path) -> None:
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((9, 16)).astype(np.float32)
    mask = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0], np.int64)
    data = rows.astype(">f4").tobytes() + mask.astype(">i8").tobytes()
    done = java(classes, "vectors", bundle, 9, 16, data=data)
    got = np.frombuffer(done.stdout, ">f4").astype(np.float32)
    mean = rows[:6].mean(axis=0)
    np.testing.assert_allclose(got[:16], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[16:32], mean / np.linalg.norm(mean), rtol=1e-5, atol=1e-6)
    assert got[32] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("spec", ["int8", "int4", "binary", "binary:planes=2", "float32"])
def test_vectors_are_stored_and_compared_as_in_python(
    spec: str, classes: Path, bundle: Path, tmp_path: Path
) -> None:
    vectors = unit(np.random.default_rng(2).standard_normal((20, 16)).astype(np.float32))
    vectors[3] = 0
    codes = codes_of(parse_vectors(spec))
    entry = VectorsEntry(spec, 16, codes.dtype, codes.width(16), codes.measure, [*codes.fit(vectors)])
    manifest = replace(describe(bundle), vectors=entry)
    kit_for(own(bundle), manifest, bundle, tmp_path / "bundle")
    form = VectorForm(manifest.name, entry)
    done = java(
        classes, "store", tmp_path / "bundle" / FOLDER / "assets", 20, data=vectors.astype(">f4").tobytes()
    )
    assert done.returncode == 0, done.stderr
    stored = form.pack(vectors)
    assert done.stdout[: stored.nbytes] == stored.tobytes()
    scores = np.frombuffer(done.stdout[stored.nbytes :], ">f4").reshape(20, 2)
    np.testing.assert_allclose(scores[:, 0], form.similarity(stored[:1], stored)[0], atol=2e-6)
    np.testing.assert_allclose(scores[:, 1], form.similarity(vectors[:1], stored)[0], atol=2e-6)


def own(bundle: Path) -> str:
    """Text of a bundle's tokenizer.json."""
    return (bundle / "tokenizer.json").read_text("utf-8")


def kit_for(tokenizer: str, manifest: Manifest, bundle: Path, out: Path) -> tuple[str, ...]:
    """Write the kit of a bundle again, for another tokenizer or manifest; gives the notes."""
    golden = json.loads((bundle / "golden.json").read_text())
    shutil.copytree(bundle, out, ignore=shutil.ignore_patterns(FOLDER))
    return android_kit.write(Kit(tokenizer, manifest, golden, out))


@pytest.mark.parametrize("runtime", KITS)
def test_the_kit_of_every_runtime_compiles(runtime: str, bundle: Path, tmp_path: Path) -> None:
    manifest = replace(describe(bundle), runtime=runtime)
    kit_for(own(bundle), manifest, bundle, tmp_path / "bundle")
    kit = tmp_path / "bundle" / FOLDER
    compile_java(tmp_path / "out", kit / "src" / "main" / "java" / "edgeemb")
    assert f'implementation("{KITS[runtime]}")' in (kit / "build.gradle.kts").read_text()


def test_the_module_names_the_files_that_are_there(bundle: Path) -> None:
    build = (bundle / FOLDER / "build.gradle.kts").read_text()
    assert 'include("model.data", "model.onnx", "tokenizer.bin")' in build
    assert all((bundle / name).is_file() for name in ("model.data", "model.onnx", "tokenizer.bin"))
    assert "@" not in build
    assert 'Edgeemb.open(context, "tiny")' in (bundle / FOLDER / "README.md").read_text()


def test_the_manifest_counts_the_kit_and_lists_its_files(bundle: Path) -> None:
    manifest = describe(bundle)
    files = [path for path in (bundle / FOLDER).rglob("*") if path.is_file()]
    assert manifest.sizes["kit"] == sum(path.stat().st_size for path in files)
    assert {path.relative_to(bundle).as_posix() for path in files} <= set(manifest.files)


def test_a_tokenizer_that_cannot_be_compiled_is_named(classes: Path, bundle: Path, tmp_path: Path) -> None:
    values = json.loads(tokenizer_json("bpe of bytes"))
    values["model"]["dropout"] = 0.1
    notes = kit_for(json.dumps(values), describe(bundle), bundle, tmp_path / "bundle")
    kit = tmp_path / "bundle" / FOLDER
    words = "drops merges at random (dropout)"
    assert len(notes) == 1 and words in notes[0]
    assert not (kit / "jniLibs").exists()
    assert words in (kit / "README.md").read_text()
    assert "tokenizer.bin" not in (kit / "build.gradle.kts").read_text()
    done = java(classes, "encode", kit / "assets", "some text")
    assert done.returncode == 1
    assert words.encode() in done.stderr and b"make the ids yourself and call encodeIds" in done.stderr


def test_without_a_compiler_the_kit_says_what_to_install(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANDROID_NDK_HOME", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (note,) = kit_for(own(bundle), describe(bundle), bundle, tmp_path / "bundle")
    assert "pip install 'edgeemb[android]'" in note


def test_what_the_properties_hold_comes_through(classes: Path, bundle: Path, tmp_path: Path) -> None:
    manifest = replace(describe(bundle), prompt="  a \\ =: \n\tpröfung ", lengths=[16, 40])
    kit_for(own(bundle), manifest, bundle, tmp_path / "bundle")
    assets = tmp_path / "bundle" / FOLDER / "assets"
    want = ids_in_python(own(bundle), [f"{manifest.prompt}the cat"], 40)[0]
    command = [*driver(classes), "encode", str(assets), "the cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        (count,) = struct.unpack(">i", process.stdout.read(4))
        rows = []
        for _ in range(count):
            (length,) = struct.unpack(">i", process.stdout.read(4))
            rows.append(np.frombuffer(process.stdout.read(8 * length), ">i8").tolist())
        ids, mask = rows
        process.stdin.write(bytes(4 * 16))
        process.stdin.flush()
    assert length == 40 if len(want) > 16 else 16
    assert ids == want + [0] * (length - len(want))
    assert mask == [1] * len(want) + [0] * (length - len(want))


def test_a_phone_without_the_native_lookups_is_refused(classes: Path, bundle: Path, tmp_path: Path) -> None:
    for abi in ("arm64-v8a", "x86_64"):
        (tmp_path / "copy" / "lib" / abi).mkdir(parents=True)
    copied = shutil.copytree(bundle, tmp_path / "copy", dirs_exist_ok=True)
    kit_for(own(bundle), describe(bundle), copied, tmp_path / "bundle")
    assets = tmp_path / "bundle" / FOLDER / "assets"
    assert java(classes, "abi", assets, "x86_64,x86").returncode == 0
    done = java(classes, "abi", assets, "armeabi-v7a,armeabi")
    assert done.returncode == 1
    assert done.stderr.decode().strip() == (
        "the bundle tiny has native lookups for arm64-v8a, x86_64, this process is armeabi-v7a, armeabi: "
        "export it with --ops builtin"
    )
    assert java(classes, "abi", bundle / FOLDER / "assets", "armeabi-v7a").returncode == 0


def test_tables_apart_get_no_kit(bundle: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(bundle, tmp_path / "copy")
    (copied / "tables.ptd").write_bytes(b"")
    manifest = replace(describe(bundle), runtime="executorch")
    (note,) = kit_for(own(bundle), manifest, copied, tmp_path / "bundle")
    assert "loads only a program" in note
    assert not (tmp_path / "bundle" / FOLDER).exists()


def test_refuses_native_lookups_for_executorch(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match='takes no further ops; use ops="builtin"'):
        edgeemb.export("any", tmp_path / "no", target="android", runtime="executorch", ops="custom")


def test_minilm_with_tokenizer_and_kit_fits_its_budget(
    minilm_bundle: Path, minilm_folder: Path, tmp_path: Path
) -> None:
    manifest = describe(minilm_bundle)
    text = (minilm_folder / "tokenizer.json").read_text("utf-8")

    kit_for(text, manifest, minilm_bundle, tmp_path / "minilm")
    total = sum(path.stat().st_size for path in (tmp_path / "minilm").rglob("*") if path.is_file())
    assert total <= MOST_BYTES
