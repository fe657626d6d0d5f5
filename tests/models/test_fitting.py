"""Which table of a model gets which spec: what is asked for, and defaults that suit the table."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.errors import ModelError, SpecError
from edgeemb.models.shrinking.tables import choose_specs
from edgeemb.models.torch.model import Model
from edgeemb.tables.request import Tables, read_tables

DEFAULT = "int4:block=32"


def embedding(dim: int) -> Model:
    """A model that is one table of 20 rows."""
    model = edgeemb.load(torch.nn.Embedding(20, dim), example_inputs=(torch.tensor([[1, 2]]),))
    assert isinstance(model, Model)
    return model


def chosen(model: Model, wanted: Tables) -> dict[str, str]:
    return {
        alias: str(spec) for alias, spec in choose_specs(model, read_tables(wanted), DEFAULT).specs.items()
    }


@pytest.mark.parametrize(
    ("dim", "spec"), [(384, "int4:block=32"), (400, "int4:block=16"), (16, "int4:block=16"), (12, "int4")]
)
def test_changes_a_default_that_the_columns_do_not_suit_and_says_so(dim: int, spec: str) -> None:
    found = choose_specs(embedding(dim), read_tables(()), DEFAULT)
    assert [str(item) for item in found.specs.values()] == [spec]
    said = [
        f"table embedding is stored as {spec}: the default {DEFAULT} does not suit its {dim} columns"
        for _ in range(spec != DEFAULT)
    ]
    assert list(found.notes.values()) == said


def test_takes_what_was_asked_for_as_it_is(tiny: Model, tmp_path: Path) -> None:
    assert chosen(tiny, DEFAULT)["word"] == DEFAULT
    assert chosen(tiny, {"word": DEFAULT})["word"] == DEFAULT
    with pytest.raises(SpecError, match="block=32 does not divide the table's dimension 16"):
        edgeemb.export(tiny, tmp_path / "b", table=DEFAULT, body="fp32", ops="builtin")
    assert list(tmp_path.iterdir()) == []


def test_an_export_with_the_defaults_of_a_target_suits_any_width(tiny: Model, tmp_path: Path) -> None:
    manifest = read_manifest(edgeemb.export(tiny, tmp_path / "b", target="linux-x64", ops="builtin"))
    assert manifest.tables["word"].spec == "int4:block=16"
    assert manifest.notes[0].startswith("table word is stored as int4:block=16: the default int4:block=32")


def test_says_nothing_of_the_default_of_a_table_that_is_planned(tiny: Model) -> None:
    assert choose_specs(tiny, read_tables("auto:cosine=.9"), DEFAULT).notes == {}


def test_names_a_table_that_the_model_has_not(tiny: Model) -> None:
    for wanted in (["wrod=int8"], ["wrod=auto:cosine=.9"]):
        with pytest.raises(ModelError, match="wrod"):
            choose_specs(tiny, read_tables(wanted), DEFAULT)
