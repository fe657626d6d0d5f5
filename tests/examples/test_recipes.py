"""The recipes can be started, and the model that one of them made does what it is for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import edgeemb
from edgeemb.runtimes import describe
from tests.places import ROOT

EXAMPLES = ROOT / "examples"
MODEL = EXAMPLES / "models" / "intents"

#: Sentences of our own, and what they ask for.
ASKED = {
    "please set an alarm for seven in the morning": "alarm",
    "translate good evening into french": "translate",
    "what is the weather like in london tomorrow": "weather",
    "tell me a joke": "tell_joke",
    "play the next song": "next_song",
    "flip a coin for me": "flip_coin",
    "how do you spell necessary": "spelling",
    "what is my account balance": "balance",
}


@pytest.mark.parametrize("recipe", sorted(path.name for path in EXAMPLES.glob("[im]*.py")))
def test_each_recipe_says_what_it_does(recipe: str) -> None:
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / recipe), "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "--steps" in run.stdout


def test_the_intents_model_is_small_and_knows_what_is_asked(tmp_path: Path) -> None:
    assert sum(path.stat().st_size for path in MODEL.iterdir()) < 1_500_000
    bundle = edgeemb.export(MODEL, tmp_path / "bundle", body="int8", ops="builtin")
    manifest = describe(bundle)
    assert sum(manifest.files[name].bytes for name in ("model.onnx", "model.data")) <= 400_000
    assert manifest.sizes["tokenizer"] < 100
    with edgeemb.open(bundle) as session:
        logits = session.encode(list(ASKED))
        found = [session.manifest.labels[number] for number in logits.argmax(axis=1)]
    right = sum(label == wanted for label, wanted in zip(found, ASKED.values(), strict=True))
    assert right >= len(ASKED) - 2, found
