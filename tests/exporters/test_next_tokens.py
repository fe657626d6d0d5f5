"""Causal language models: the most probable tokens after a text."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.cli.show.answers import Asked
from edgeemb.errors import InputError
from edgeemb.models.loading import load_torch
from edgeemb.models.shrinking.vocabulary import prune_model
from edgeemb.vocabulary import parse_vocab
from tests.fixtures.models.families import reference_model, save_family
from tests.fixtures.models.torch_session import torch_session

TEXTS = ["the cat sat", "a", "the mat ran away and the cat sat on a mat"]
#: Heads of these families' classes; Gemma 2 bends its logits after the output layer.
FAMILIES = {"GPT-2": "LMHeadModel", "Llama": "ForCausalLM", "Gemma 2": "ForCausalLM"}


def logits_after(name: str, ids: list[int]) -> np.ndarray:
    """What transformers computes for the token after some others, float32[vocabulary]."""
    with torch.no_grad():
        logits = reference_model(name, FAMILIES[name])(input_ids=torch.tensor([ids])).logits
    return np.asarray(logits[0, -1].numpy())


@pytest.mark.parametrize("name", FAMILIES)
def test_gives_the_tokens_that_the_model_finds_most_probable(name: str, tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", name, FAMILIES[name])
    model = load_torch(folder)
    assert (model.kind, model.outputs[0].axes) == ("causal-lm", ("batch", model.word_table.rows))
    with torch_session(model, folder) as session:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        found = session.next_tokens(TEXTS, top=3)
        for text, place in zip(TEXTS, found, strict=True):
            encoding = tokenizer.encode(text)
            own = [n for n, part in enumerate(encoding.sequence_ids) if part == 0]
            # The token that ends a text is no part of what is continued.
            logits = logits_after(name, encoding.ids[: own[-1] + 1])
            scores = torch.softmax(torch.from_numpy(logits), 0).numpy()
            assert [one.score for one in place] == pytest.approx(np.sort(scores)[::-1][:3].tolist(), abs=1e-5)
        # A batch of texts of several lengths gives what each gives by itself.
        ids, mask = session.tokenize(TEXTS)
        together = session.run({"input_ids": ids, "attention_mask": mask})
        for row, count, logits in zip(ids, mask.sum(1), together, strict=True):
            np.testing.assert_allclose(logits, logits_after(name, row[:count].tolist()), atol=1e-4)


def test_reads_the_end_of_a_long_text(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "GPT-2", "LMHeadModel")
    model = load_torch(folder)
    with torch_session(model, folder) as session:
        text = f"{TEXTS[2]} " * 9
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        ids = [number for number in tokenizer.encode(text).ids if number > 2]
        logits = logits_after("GPT-2", [0, *ids[-model.max_length + 1 :]])
        scores = torch.softmax(torch.from_numpy(logits), 0).numpy()
        (found,) = session.next_tokens([text], top=2)
        assert [one.score for one in found] == pytest.approx(np.sort(scores)[::-1][:2].tolist(), abs=1e-5)
        assert session.task is not None
        (shown,) = resolve_name(session.task.shows)(session, [text], Asked(top=2))
        assert shown.output == [vars(one) for one in found]
        with pytest.raises(InputError, match=r"is for causal language model .*: use session\.next_tokens"):
            session.fill([text])


def test_tokens_that_the_vocabulary_lost_are_not_suggested(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "GPT-2", "LMHeadModel")
    (tmp_path / "tokens.txt").write_text("the\n", "utf-8")
    whole = load_torch(folder)
    smaller, _ = prune_model(whole, [parse_vocab(f"list:{tmp_path / 'tokens.txt'}")])
    assert smaller.outputs[0].axes[-1] == smaller.word_table.rows < whole.word_table.rows


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "head"), [("onnx", None), ("onnx", "top=5"), ("tflite", None), ("executorch", None)]
)
def test_an_export_shares_its_table_and_gives_the_same(
    runtime: str, head: str | None, tmp_path: Path
) -> None:
    folder = save_family(tmp_path / "m", "GPT-2", "LMHeadModel")
    bundle = edgeemb.export(folder, tmp_path / "b", runtime=runtime, table="int8", body="fp32", head=head)
    rows = load_torch(folder).word_table.rows
    assert read_manifest(bundle).outputs[0].axes == ["batch", 5 if head else rows]
    with edgeemb.open(bundle) as session, torch_session(load_torch(folder), folder) as whole:
        for found, wanted in zip(session.next_tokens(TEXTS), whole.next_tokens(TEXTS), strict=True):
            assert found[0].token == wanted[0].token
            if head is None:
                assert found[0].score == pytest.approx(wanted[0].score, abs=0.02)
