"""CANINE, whose tokens are characters: the vectors and the tokens that transformers gives, from one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer

import edgeemb
from edgeemb.errors import ExportError, ModelError, SpecError
from edgeemb.models.huggingface.characters import CODE_POINTS
from edgeemb.models.loading import load_torch
from edgeemb.models.shrinking.vocabulary import prune_model, word_frequency
from edgeemb.models.torch.model import Model
from edgeemb.text.feeds import pad
from edgeemb.vocabulary import parse_vocab
from tests.fixtures.models.families import TINY, reference_model, save_family

BUCKETS = int(TINY["CANINE"].options["num_hash_buckets"])
TEXTS = [
    "the cat sat",
    "a",
    "Thé  CÁT\n\u4e2d\u6587\ud55c\uad6d\uc5b4 \u0e19\u0e49\u0e33",
    "\U0001f469\u200d\U0001f467 \U0001f3f4\U000e0067\U000e007f \u845b\U000e0100 \uac00\u0301\ue123\x00",
    "x" * 500,
]
#: Those that need not be cut.
SHORT = TEXTS[:-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_family(tmp_path_factory.mktemp("canine") / "m", "CANINE")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load_torch(folder)


def wanted(model: Model, text: str) -> torch.Tensor:
    """The vector of a text that is padded as the model was trained."""
    (ids,) = transformers.CanineTokenizer()([text], truncation=True, max_length=model.max_length)["input_ids"]
    padded = torch.zeros(1, model.max_length, dtype=torch.int64)
    padded[0, : len(ids)] = torch.tensor(ids)
    mask = (torch.arange(model.max_length) < len(ids))[None].long()
    with torch.no_grad():
        output: Any = reference_model("CANINE")(input_ids=padded, attention_mask=mask)
    found: torch.Tensor = output.last_hidden_state[0, : len(ids)].mean(dim=0)
    return found


def test_one_table_gives_the_vectors_of_many(model: Model) -> None:
    assert (model.word_table.rows, model.word_table.dim) == (BUCKETS, 16)
    assert model.inputs[0].axes == ("batch", model.max_length) and model.inputs[0].rows == CODE_POINTS
    tokenizer = Tokenizer.from_str(str(model.tokenizer_json))
    filled, mask = pad([tokenizer.encode(text).ids for text in SHORT], model.pad_id, model.max_length)
    with torch.no_grad():
        together = model.module(torch.from_numpy(filled), torch.from_numpy(mask))
    for text, found in zip(SHORT, together, strict=True):
        torch.testing.assert_close(found, wanted(model, text), atol=2e-4, rtol=2e-4)


def test_characters_are_their_code_points(model: Model) -> None:
    tokenizer = Tokenizer.from_str(str(model.tokenizer_json))
    theirs = transformers.CanineTokenizer()
    for text in TEXTS:
        found, expected = tokenizer.encode(text).ids, theirs(text)["input_ids"]
        # Those behind the ids have the same rows.
        assert found == [one if one < CODE_POINTS else one % (1 << 14) for one in expected]
    pair = tokenizer.encode("a cat", "b")
    assert pair.ids == theirs("a cat", "b")["input_ids"]
    assert pair.type_ids == [0] * 7 + [1] * 2
    assert tokenizer.encode("\U0010ffff").ids[1] == 0xFFFD


def test_an_export_reads_text_by_the_compiled_tokenizer_and_holds_a_small_table(
    folder: Path, model: Model, tmp_path: Path
) -> None:
    bundle = edgeemb.export(folder, tmp_path / "b", runtime="onnx", table="int4:block=16", body="fp32")
    with edgeemb.open(bundle) as session:
        assert session.manifest.tables["word"].spec == "int4:block=16"
        found = session.encode(TEXTS)
        tokenizer = Tokenizer.from_str(str(model.tokenizer_json))
        for text, encoding in zip(SHORT, session.encodings(SHORT), strict=True):
            assert encoding.ids.tolist() == tokenizer.encode(text).ids
    for text, vector in zip(TEXTS, found, strict=True):
        theirs = wanted(model, text).numpy()
        assert vector @ theirs > 0.98 * np.linalg.norm(vector) * np.linalg.norm(theirs)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["tflite", "executorch"])
def test_other_runtimes_give_the_same(runtime: str, folder: Path, model: Model, tmp_path: Path) -> None:
    tables = dict.fromkeys(("word", "type"), "fp32")
    bundle = edgeemb.export(folder, tmp_path / "b", runtime=runtime, table=tables, body="fp32")
    with edgeemb.open(bundle) as session:
        found = session.encode(TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(vector, wanted(model, text).numpy(), atol=1e-3)


def test_a_row_is_looked_up_as_often_as_the_characters_that_share_it(model: Model, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("aa\u4e21\n" * 100, "utf-8")
    found = word_frequency(model, tmp_path / "corpus.txt")
    assert found is not None and found.shape == (BUCKETS,) and found.min() > 0
    assert found.argmax() == ord("a") % BUCKETS == 0x4E21 % BUCKETS


def test_refuses_what_it_cannot_do(folder: Path, model: Model, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("a cat\n", "utf-8")
    with pytest.raises(SpecError, match=r"reads characters by their code points.*leave `vocab` out"):
        prune_model(model, [parse_vocab(f"keep:{tmp_path / 'corpus.txt'}")])
    with pytest.raises(ExportError, match="cannot compute"):
        edgeemb.export(model, tmp_path / "c", runtime="c")
    other = save_family(tmp_path / "m", "CANINE", num_hash_buckets=48)
    with pytest.raises(ModelError, match=r"num_hash_buckets is 48: .* a divisor of 16384"):
        load_torch(other)
