"""Each task from a folder to the answers of a session and what the command line shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from tokenizers import Tokenizer

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.cli.app import main
from edgeemb.cli.show.answers import Asked, Shown
from edgeemb.errors import InputError, ModelError, SpecError
from edgeemb.models.loading import load_torch
from edgeemb.models.shrinking.vocabulary import prune_model
from edgeemb.runtimes.session import Session
from edgeemb.vocabulary import parse_vocab
from tests.fixtures.models import HIDDEN, change_config, save_sentence
from tests.fixtures.models.families import reference_model, save_family
from tests.fixtures.models.torch_session import torch_session

TEXT = "the cat sat on the mat"
LABELS = {0: "O", 1: "B-PET", 2: "I-PET"}


def opened(folder: Path) -> Session:
    """A session of a folder's model."""
    return torch_session(load_torch(folder), folder)


def tokens_of(session: Session, *texts: str) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """Ids and types as the tokenizers library gives them, and the encoding."""
    encoding = Tokenizer.from_file(str(session.path / "tokenizer.json")).encode(*texts)
    return torch.tensor([encoding.ids]), torch.tensor([encoding.type_ids]), encoding


def shown(session: Session, *texts: str, **asked: Any) -> list[Any]:
    """What `edgeemb run --json` gives for some texts."""
    assert session.task is not None
    found: list[Shown] = resolve_name(session.task.shows)(session, texts, Asked(**asked))
    assert all(one.says for one in found)
    return [one.output for one in found]


def test_gives_the_classes_of_texts_and_of_pairs(tmp_path: Path) -> None:
    names = {0: "bad", 1: "fair", 2: "good"}
    folder = save_family(tmp_path / "m", "BERT", "ForSequenceClassification", id2label=names)
    reference = reference_model("BERT", "ForSequenceClassification", id2label=names)
    with opened(folder) as session:
        ids, types, _ = tokens_of(session, TEXT, "a cat")
        with torch.no_grad():
            logits = reference(input_ids=ids, token_type_ids=types).logits[0]
        wanted = dict(zip(names.values(), torch.softmax(logits, 0).tolist(), strict=True))
        (found,) = session.classify([(TEXT, "a cat")])
        assert {one.label: one.score for one in found} == pytest.approx(wanted, abs=1e-3)
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        assert session.classify([TEXT])[0] != found
        assert shown(session, TEXT, pair="a cat", top=1)[0] == [vars(found[0])]
        with pytest.raises(InputError, match=r"is for sequence classification: use session\.classify"):
            session.answer("who", TEXT)
        with pytest.raises(InputError, match="a pair is two texts"):
            session.classify([("a", "b", "c")])  # type: ignore[list-item]


def test_ranks_texts_for_a_query(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "RoBERTa", "ForSequenceClassification", num_labels=1)
    reference = reference_model("RoBERTa", "ForSequenceClassification", num_labels=1)
    texts = ["the mat", "a cat ran away", TEXT]
    assert edgeemb.load(folder).kind == "cross-encoder"
    with opened(folder) as session:
        logits = []
        for text in texts:
            ids, _, _ = tokens_of(session, "the cat", text)
            with torch.no_grad():
                logits.append(float(reference(input_ids=ids).logits))
        found = session.rank("the cat", texts)
        assert [one.index for one in found] == np.argsort(-np.array(logits)).tolist()
        wanted = sorted((1 / (1 + np.exp(-np.array(logits)))).tolist(), reverse=True)
        assert [one.score for one in found] == pytest.approx(wanted, abs=1e-3)
        assert shown(session, *texts, query="the cat", top=1) == [vars(found[0])]
        with pytest.raises(InputError, match=r"needs the query .* give it with `query`"):
            shown(session, TEXT)


def test_labels_words_of_several_pieces(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT", "ForTokenClassification", id2label=LABELS)
    reference = reference_model("BERT", "ForTokenClassification", id2label=LABELS)
    text = "the catted, mats"
    with opened(folder) as session:
        ids, _, encoding = tokens_of(session, text)
        with torch.no_grad():
            scores = torch.softmax(reference(input_ids=ids).logits[0], 1).numpy()
        (found,) = session.label_words([text])
        assert [text[one.start : one.end] for one in found] == ["the", "catted", ",", "mats"]
        starts = [[low for low, _ in encoding.offsets].index(one.start, 1) for one in found]
        assert [one.label for one in found] == [LABELS[int(scores[place].argmax())] for place in starts]
        assert [one.score for one in found] == pytest.approx(scores[starts].max(1).tolist(), abs=1e-3)
        with pytest.raises(InputError, match=r"no one row per text: use session\.label_words"):
            session.encode([text])
        with pytest.raises(InputError, match="takes single texts, not pairs"):
            session.encodings([(text, text)])


def test_answers_a_question_with_a_span_of_the_text(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT", "ForQuestionAnswering")
    reference = reference_model("BERT", "ForQuestionAnswering")
    with opened(folder) as session:
        ids, types, encoding = tokens_of(session, "who sat", TEXT)
        with torch.no_grad():
            output = reference(input_ids=ids, token_type_ids=types)
        inside = [place for place, number in enumerate(encoding.sequence_ids) if number == 1]
        # The first token may have a share too: by it a model says that there is no answer.
        start, end = (
            torch.softmax(logits[0][[0, *inside]], 0)[1:].numpy()
            for logits in (output.start_logits, output.end_logits)
        )
        best = np.triu(np.outer(start, end))
        low, high = divmod(int(best.argmax()), len(inside))
        (found,) = session.answer("who sat", TEXT)
        assert (found.start, found.end) == (
            encoding.offsets[inside[low]][0],
            encoding.offsets[inside[high]][1],
        )
        assert found.text == TEXT[found.start : found.end]
        assert found.score == pytest.approx(float(best.max()), abs=1e-3)
        assert shown(session, TEXT, query="who sat")[0] == [vars(found)]


def test_fills_masked_places(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT", "ForMaskedLM")
    reference = reference_model("BERT", "ForMaskedLM")
    text = "the [MASK] sat on the [MASK]"
    with opened(folder) as session:
        ids, _, encoding = tokens_of(session, text)
        with torch.no_grad():
            scores = torch.softmax(reference(input_ids=ids).logits[0], 1)
        (found,) = session.fill([text], top=3)
        places = [place for place, token in enumerate(encoding.tokens) if token == "[MASK]"]
        wanted = [torch.topk(scores[place], 3).values.tolist() for place in places]
        for place, values in zip(found, wanted, strict=True):
            assert [one.score for one in place] == pytest.approx(values, abs=1e-3)
        assert shown(session, text, top=2)[0] == [[vars(one) for one in place[:2]] for place in found]
        (every,) = session.fill(["the [MASK]"], top=100)
        assert all(one.token.strip() for one in every[0])
        assert "[PAD]" in {one.token for one in every[0]}
        with pytest.raises(InputError, match=r"text 1 has no masked place: write \[MASK\]"):
            session.fill(["the cat"])
    assert edgeemb.load(folder, task="embedding").pooling == "mean"


def test_columns_of_the_vocabulary_go_with_its_rows(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT", "ForMaskedLM")
    whole = load_torch(folder)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the cat sat\n", "utf-8")
    bundle = edgeemb.export(
        whole, tmp_path / "b", table="fp32", body="fp32", ops="builtin", vocab=[f"keep:{corpus}"]
    )
    manifest = read_manifest(bundle)
    count = manifest.tables["word"].rows
    assert count < whole.word_table.rows
    assert manifest.outputs[0].axes[-1] == count
    assert manifest.parity["cosine_min"] > 0.95
    with edgeemb.open(bundle) as session:
        tokens = session.tokens(["the [MASK] sat"])[0]
        (found,) = session.run_all(session.feeds([tokens]))
        old, new = (Tokenizer.from_file(str(place / "tokenizer.json")) for place in (folder, bundle))
        assert manifest.mask_id == new.token_to_id("[MASK]")
        kept = [old.token_to_id(new.id_to_token(number)) for number in range(count)]
        feeds = dict(session.feeds([tokens]))
        feeds["input_ids"] = np.array([[kept[token] for token in tokens]])
        np.testing.assert_allclose(found, whole.reference(feeds)[0][..., kept], atol=0.05)
        assert len(session.fill(["the [MASK] sat"], top=3)[0][0]) == 3


class Shifted(torch.nn.Module):
    """A model whose logits are shifted by numbers that stand in no layer."""

    def __init__(self, inner: torch.nn.Module, tokens: int) -> None:
        super().__init__()
        self.body, self.inner = inner.body, inner
        self.register_buffer("shift", torch.arange(tokens) / tokens)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        """:return: float32[batch, length, vocabulary]."""
        return self.inner(ids, mask)[0] + self.shift


def test_an_output_layer_of_several_weights_loses_tokens_and_an_unknown_one_is_refused(
    tmp_path: Path,
) -> None:
    whole = load_torch(save_family(tmp_path / "m", "MobileBERT", "ForMaskedLM"))
    kept = [parse_vocab("list:" + str(tmp_path / "tokens.txt"))]
    (tmp_path / "tokens.txt").write_text("the\ncat\n", "utf-8")
    smaller, _ = prune_model(whole, kept)
    assert smaller.outputs[0].axes[-1] == smaller.word_table.rows < whole.word_table.rows
    unknown = replace(whole, module=Shifted(whole.module, whole.word_table.rows))
    with pytest.raises(SpecError, match="its output layer is not one that can lose tokens"):
        prune_model(unknown, kept)


def test_words_are_compared_with_the_model_of_the_same_tokens(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT", "ForTokenClassification", id2label=LABELS)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a\n", "utf-8")
    bundle = edgeemb.export(
        folder, tmp_path / "b", table="fp32", body="fp32", ops="builtin", vocab=[f"keep:{corpus}"]
    )
    assert read_manifest(bundle).parity["cosine_min"] > 0.95


@pytest.mark.parametrize("pooling", ["max", "sum"])
def test_weighs_the_vocabulary(pooling: str, tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT", "ForMaskedLM")
    (folder / "1_SpladePooling").mkdir()
    splade = {"pooling_strategy": pooling, "activation_function": "relu", "word_embedding_dimension": 67}
    (folder / "1_SpladePooling" / "config.json").write_text(json.dumps(splade))
    stages = [
        {"path": "", "type": "x.MLMTransformer"},
        {"path": "1_SpladePooling", "type": "x.SpladePooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(stages))
    reference = reference_model("BERT", "ForMaskedLM")
    if pooling == "sum":
        model = load_torch(folder)
        ids = torch.tensor([Tokenizer.from_str(str(model.tokenizer_json)).encode(TEXT).ids])
        with torch.no_grad():
            wanted = torch.log1p(torch.relu(reference(input_ids=ids).logits)).sum(1)
            found = model.module(ids, torch.ones_like(ids))
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
        return
    with opened(folder) as session:
        ids, _, _ = tokens_of(session, TEXT)
        with torch.no_grad():
            weights = torch.log1p(torch.relu(reference(input_ids=ids).logits)).amax(1)[0]
        (found_weights,) = session.weigh_tokens([TEXT])
        tokenizer = Tokenizer.from_file(str(session.path / "tokenizer.json"))
        wanted_weights = {
            tokenizer.id_to_token(place): float(value) for place, value in enumerate(weights) if value > 1e-6
        }
        assert found_weights == pytest.approx(wanted_weights, abs=1e-3)
        assert list(session.weigh_tokens([TEXT], top=2)[0]) == list(found_weights)[:2]
        assert shown(session, TEXT)[0] == pytest.approx(found_weights)


def test_gives_a_vector_per_token(tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "m", dense=4)
    stages = [
        stage for stage in json.loads((folder / "modules.json").read_text()) if "Pooling" not in stage["type"]
    ]
    (folder / "modules.json").write_text(json.dumps([*stages, {"path": "4_M", "type": "x.MultiVectorMask"}]))
    model = load_torch(folder)
    assert (model.kind, model.normalize) == ("multi-vector", False)
    with opened(folder) as session:
        long, short = session.encode_tokens([TEXT, "a cat"])
        assert long.shape == (len(session.tokens([TEXT])[0]), 4)
        np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-5)
        assert len(shown(session, "a cat")[0]) == len(short)
        ranked = shown(session, TEXT, "a cat", query="the mat")
        assert ranked == [vars(one) for one in session.rank("the mat", [TEXT, "a cat"])]
        assert ranked[0]["score"] > ranked[1]["score"]


def test_puts_the_chosen_prompt_in_front(tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "m")
    prompts = {"prompts": {"query": "the cat: ", "document": ""}, "default_prompt_name": None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    with opened(folder) as session:
        assert session.manifest.prompts == {"query": "the cat: ", "document": ""}
        chosen = session.encode(["a mat"], prompt="query")
        np.testing.assert_array_equal(chosen, session.encode(["the cat: a mat"]))
        np.testing.assert_array_equal(session.encode(["a mat"], prompt="document"), session.encode(["a mat"]))
        np.testing.assert_allclose(shown(session, "a mat", prompt="query")[0], chosen[0])
        with pytest.raises(InputError, match="no prompt 'page': its prompts are query, document"):
            session.encode(["a mat"], prompt="page")


def test_refuses_labels_with_a_gap(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT", "ForTokenClassification", id2label=LABELS)
    change_config(folder, id2label={"0": "O", "2": "B-PET", "3": "I-PET"})
    with pytest.raises(ModelError, match="id2label does not name the classes 0 to 2 one by one"):
        edgeemb.load(folder)


def test_refuses_a_model_that_translates(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "T5", "ForConditionalGeneration", num_decoder_layers=1)
    with pytest.raises(
        ModelError, match="'T5ForConditionalGeneration' is not supported: with task='embedding'"
    ):
        edgeemb.load(folder)


def test_has_normalised_layers_of_a_multi_vector_model(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT")
    (folder / "1_Dense").mkdir()
    config = {
        "in_features": HIDDEN,
        "out_features": 4,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    (folder / "1_Dense" / "config.json").write_text(json.dumps(config))
    save_file({"linear.weight": torch.eye(4, HIDDEN)}, folder / "1_Dense" / "model.safetensors")
    stages = [{"path": "", "type": "x.Transformer"}, {"path": "1_Dense", "type": "x.Dense"}]
    (folder / "modules.json").write_text(json.dumps(stages))
    model = load_torch(folder)
    ids = torch.tensor([[1, 5, 6, 2]])
    with torch.no_grad():
        wanted = reference_model("BERT")(input_ids=ids).last_hidden_state[:, :, :4]
        torch.testing.assert_close(model.module(ids, torch.ones_like(ids)), wanted, atol=1e-5, rtol=1e-5)


def test_runs_an_exported_tagger_from_the_command_line(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT", "ForTokenClassification", id2label={0: "PET", 1: "MAT"})
    bundle = edgeemb.export(folder, tmp_path / "bundle", runtime="onnx", body="fp32", table="fp32")
    done = CliRunner().invoke(main, ["run", str(bundle), "the catted, mats", "--json"])
    assert done.exit_code == 0, done.output
    (answer,) = json.loads(done.stdout)
    with torch_session(load_torch(folder), folder) as session:
        wanted = [vars(word) for word in session.label_words(["the catted, mats"])[0]]
    assert [word["label"] for word in answer["output"]] == [word["label"] for word in wanted]
    assert answer["output"][1]["text"] == "catted"
    golden = json.loads((bundle / "golden.json").read_text())
    assert [len(output) for output in golden["output"]] == [2 * len(ids) for ids in golden["ids"]]


@pytest.mark.slow
def test_runs_an_exported_answerer_from_the_command_line(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "m", "BERT", "ForQuestionAnswering")
    bundle = edgeemb.export(folder, tmp_path / "bundle", runtime="onnx", body="fp32", table="fp32")
    done = CliRunner().invoke(main, ["run", str(bundle), TEXT])
    assert (done.exit_code, "give it with --query" in done.output) == (1, True)
    done = CliRunner().invoke(main, ["run", str(bundle), TEXT, "--query", "who sat"])
    assert done.exit_code == 0, done.output
    assert "characters" in done.output
    long = f"{TEXT}, " * 30
    with edgeemb.open(bundle) as session, torch_session(load_torch(folder), folder) as whole:
        (found,), (wanted,) = session.answer("who sat", long), whole.answer("who sat", long)
    assert (found.start, found.end) == (wanted.start, wanted.end)
    assert found.score == pytest.approx(wanted.score, abs=1e-3)
