"""The web kit: what its module gives in Node and in a browser is what a session gives, bit for bit."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import NativeError
from edgeemb.exporters.c.source import weights as c_weights
from edgeemb.exporters.kits import FOLDER, Kit, write_kit
from edgeemb.models.torch.model import Model
from tests.fixtures.models.families import save_family, save_task
from tests.fixtures.models.words import save_words
from tests.fixtures.requirements import requires_program

pytestmark = requires_program("node", "nodejs")

TEXTS = ["the cat sat on the mat", "a", "the CATS  ran away, " * 30, "\u4e2d\u6587 caf\u00e9 \U0001f600 it's"]
SCRIPT = """
import * as kit from "%s";
const model = await kit.load();
const typed = (value) => (value?.floats ? Float32Array.from(value.floats) : value?.bytes ? Uint8Array.from(value.bytes) : value);
const plain = (key, value) => (ArrayBuffer.isView(value) ? [...value] : value);
const answers = JSON.parse(process.argv[2]).map(([method, ...given]) => {
  try {
    const [name, part] = method.split(".").reverse();
    const owner = part ? model[part] : name in kit ? kit : model;
    return owner[name](...given.map(typed));
  } catch (error) {
    return { refused: error.message };
  }
});
const members = new Set(Object.getOwnPropertyNames(model));
for (let each = model; (each = Object.getPrototypeOf(each)) !== Object.prototype; ) {
  Object.getOwnPropertyNames(each).forEach((name) => members.add(name));
}
console.log(JSON.stringify({ answers, members: [...members], exported: Object.keys(kit) }, plain));
"""
#: What every model has, and what is not for its users.
_INNER = {"constructor", "program"}


def export(model: Any, folder: Path, **options: Any) -> Path:
    """A bundle for the web."""
    return edgeemb.export(model, folder, target="web", table="int8", **options)


def calls(bundle: Path, *given: list[Any]) -> list[Any]:
    """What the module answers to some calls of functions and methods, in Node. Its types declare what it has, and nothing else."""
    script = bundle.parent / f"{bundle.name}.mjs"
    script.write_text(SCRIPT % (bundle / FOLDER / "edgeemb.js").as_uri(), "utf-8")
    done = subprocess.run(
        ["node", script, json.dumps(given)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    types = (bundle / FOLDER / "edgeemb.d.ts").read_text("utf-8")
    assert set(re.findall(r"^export declare \w+ (\w+)", types, re.MULTILINE)) == set(said["exported"])
    classes = re.findall(r"^declare class \w+ extends \w+ \{(.*?)^\}", types, re.MULTILINE | re.DOTALL)
    declared = re.findall(r"^  (?:readonly )?(\w+)[(:]", "".join(classes), re.MULTILINE)
    assert set(declared) == set(said["members"]) - _INNER
    answers: list[Any] = said["answers"]
    return answers


def checked(bundle: Path) -> str:
    """What the bundle's own check prints."""
    done = subprocess.run(
        ["node", bundle / FOLDER / "check.mjs"], capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout.strip() or done.stderr


@pytest.fixture(scope="module")
def bundle(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with stored vectors, whose weights lie in a file, as those of any real model do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(c_weights, "MAX_TEXT_BYTES", 0)
        return export(tiny, tmp_path_factory.mktemp("web") / "b", vectors="int8")


def test_texts_have_the_bits_of_a_session(bundle: Path) -> None:
    many = [TEXTS[at % len(TEXTS)] for at in range(70)]
    *found, together, none, empty = calls(
        bundle,
        *(["encode", text] for text in TEXTS),
        ["encodeAll", many],
        ["encodeAll", []],
        ["encodeAll", ["a", " "]],
    )
    with edgeemb.open(bundle, allow_code=True) as session:
        wanted = session.encode(TEXTS, as_floats=True)
    np.testing.assert_array_equal(np.array(found, np.float32), wanted)
    places = np.arange(len(many)) % len(TEXTS)
    np.testing.assert_array_equal(np.array(together, np.float32), wanted[places])
    assert none == [] and empty == {"refused": "the text is empty: its result would mean nothing"}
    assert re.fullmatch(r"0 of [1-9]\d* texts give other bits than the export", checked(bundle))


def test_vectors_are_stored_and_compared_as_by_a_session(bundle: Path) -> None:
    with edgeemb.open(bundle, allow_code=True) as session:
        floats, stored = session.encode(TEXTS, as_floats=True), session.encode(TEXTS)
        form = session.vectors
    assert form is not None and form.codes == "int8"
    codes, query = [{"bytes": row.view(np.uint8).tolist()} for row in stored], {"floats": floats[0].tolist()}
    found = calls(
        bundle,
        *(["encodeStored", text] for text in TEXTS),
        *(["vectors.store", row.tolist()] for row in floats),
        *(["vectors.similarity", left, right] for left in (codes[0], query) for right in codes),
        ["vectors.store", [1.0]],
        ["vectors.store", ["x"] * 16],
        ["vectors.similarity", codes[0], {"bytes": [1]}],
    )
    *found, short, infinite, apart = found
    assert np.array(found[:8], np.uint8).view(np.int8).tolist() == [*stored.tolist(), *stored.tolist()]
    wanted = [form.similarity(side, stored)[0] for side in (stored[:1], floats[:1])]
    np.testing.assert_allclose(np.reshape(found[8:], (2, 4)), wanted, atol=1e-6)
    assert short["refused"] == "a vector of 1 elements is none of this model, which gives 16"
    assert infinite["refused"] == "the vector holds NaN or infinite values"
    assert apart["refused"] == "a vector of 1 bytes is none of int8, which has 16"


def test_what_cannot_be_computed_is_refused_in_one_line(bundle: Path) -> None:
    long = "x" * 100_000
    empty, number, longest, apart = calls(
        bundle, ["encode", " \n"], ["encode", 3], ["encode", long], ["similarity", [1], [1, 2]]
    )
    assert empty["refused"] == number["refused"] == "the text is empty: its result would mean nothing"
    assert len(longest) == 16  # in a larger arena
    assert apart["refused"] == "vectors of 1 and 2 elements do not belong together"
    weights = bundle / "weights.bin"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert f"weights.bin has {len(whole) - 1} bytes, not {len(whole)}: take it and model.wasm" in checked(
        bundle
    )
    weights.write_bytes(whole)


def test_classes_of_texts_and_pairs_are_those_of_a_session(tmp_path: Path) -> None:
    names = {0: "bad", 1: "fair", 2: "good"}
    save_family(tmp_path / "m", "BERT", "ForSequenceClassification", id2label=names)
    made = export(str(tmp_path / "m"), tmp_path / "b")
    assert not (made / "weights.bin").exists()
    single, pair = calls(made, ["classify", TEXTS[0]], ["classify", TEXTS[0], TEXTS[2]])
    with edgeemb.open(made, allow_code=True) as session:
        for found, given in ((single, TEXTS[0]), (pair, (TEXTS[0], TEXTS[2]))):
            (wanted,) = session.classify([given])
            assert [one["label"] for one in found] == [one.label for one in wanted]
            assert [one["score"] for one in found] == pytest.approx([one.score for one in wanted], abs=1e-6)
    types = (made / FOLDER / "edgeemb.d.ts").read_text("utf-8")
    assert "classify(text: string, pair?: string)" in types and "encodePair" in types


def test_texts_are_ranked_as_a_session_ranks_them(tmp_path: Path) -> None:
    save_task(tmp_path / "m", "cross-encoder")
    made = export(str(tmp_path / "m"), tmp_path / "b")
    texts = ["the mat", "a cat ran away", TEXTS[0]]
    (found,) = calls(made, ["rank", "the cat", texts])
    with edgeemb.open(made, allow_code=True) as session:
        wanted = session.rank("the cat", texts)
    assert [(one["index"], one["text"]) for one in found] == [(one.index, one.text) for one in wanted]
    assert [one["score"] for one in found] == pytest.approx([one.score for one in wanted], abs=1e-6)


def test_a_model_without_a_vocabulary_takes_text(tmp_path: Path) -> None:
    save_words(tmp_path / "m")
    made = edgeemb.export(str(tmp_path / "m"), tmp_path / "b", target="web")
    *found, together = calls(made, *(["encode", text] for text in TEXTS), ["encodeAll", TEXTS])
    assert together == found
    with edgeemb.open(made, allow_code=True) as session:
        np.testing.assert_array_equal(np.array(found, np.float32), session.encode(TEXTS))


def test_without_its_compiler_the_kit_says_what_to_install(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "ziglang" else found(name, *rest)
    )
    shutil.copytree(bundle, tmp_path / "b", ignore=shutil.ignore_patterns(FOLDER))
    tokenizer = (bundle / "tokenizer.json").read_text("utf-8")
    kit = Kit(tokenizer, read_manifest(bundle), {}, tmp_path / "b")
    with pytest.raises(NativeError, match=r"compiling for the web needs .* ziglang: pip install ziglang"):
        write_kit("web", kit)


@pytest.fixture
def server(bundle: Path) -> Iterator[str]:
    """The address at which the bundle is served."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(bundle))) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()


@requires_program("chromium", "chromium")
def test_the_page_runs_in_a_browser(bundle: Path, server: str, tmp_path: Path) -> None:
    page = (bundle / FOLDER / "index.html").read_text("utf-8")
    pressed = page.replace("go.disabled = false;", "go.disabled = false; setTimeout(() => go.click());")
    (bundle / FOLDER / "pressed.html").write_text(pressed, "utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=20000"]
    done = subprocess.run(
        ["chromium", *options, f"--user-data-dir={tmp_path}", f"{server}/{FOLDER}/pressed.html"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    shown = re.search(r'<pre id="result">[\d.]+ ms\n([^<]*)</pre>', done.stdout)
    assert shown is not None, done.stdout
    with edgeemb.open(bundle, allow_code=True) as session:
        np.testing.assert_allclose(
            [float(value) for value in shown[1].split()],
            session.encode(["some text"], as_floats=True)[0],
            atol=6e-5,
        )
