"""``kill -9`` at any moment: what stood there stays whole, nothing half made passes for whole, and the next run cleans up."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

import edgeemb
from edgeemb.devices.plan import ProfilePlan
from edgeemb.models.trained import INDEX
from edgeemb.report.comparison import profile_on_all, read_comparison, write_comparison
from edgeemb.runtimes.opening import checked, describe
from edgeemb.training.loop.checkpoint import read_checkpoint
from tests.fixtures.faults import KILLS, done, killed_often, left_in
from tests.fixtures.models import save_sentence
from tests.fixtures.models.onnx_files import encoder, save
from tests.fixtures.training import QUICK, adapt, write_corpus

more = pytest.mark.skipif(KILLS < 4, reason="set EDGEEMB_KILLS to 4 or more for all kinds of output")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sentence(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(encoder(), tmp_path_factory.mktemp("file") / "tiny.onnx", tokenizer=True)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """A folder for temporary files, seen from processes that are given its path."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def export(model: Path, out: Path, table: str, as_zip: bool, temporary: Path) -> None:
    tempfile.tempdir = str(temporary)
    options = edgeemb.ExportOptions(as_zip=as_zip)
    edgeemb.export(str(model), out, table=table, body="fp32", ops="builtin", force=True, options=options)


@pytest.mark.parametrize("as_zip", [False, pytest.param(True, marks=more)])
def test_a_killed_export_leaves_the_bundle_that_was_there(
    as_zip: bool, file: Path, tmp_path: Path, temporary: Path
) -> None:
    out = tmp_path / "outputs" / "bundle"
    done(export, file, out, "int8", as_zip, temporary)

    def whole() -> None:
        with checked(out) as (_, manifest):
            assert manifest.tables["word"].spec in ("int8", "int4")

    killed_often(export, (file, out, "int4", as_zip, temporary), whole)
    done(export, file, out, "int4", as_zip, temporary)
    whole()
    assert describe(out).tables["word"].spec == "int4"
    assert left_in(out.parent) == {"bundle"} and left_in(temporary) == set()


@more
def test_a_killed_export_to_a_new_place_leaves_a_whole_bundle_or_none(
    file: Path, tmp_path: Path, temporary: Path
) -> None:
    out = tmp_path / "outputs" / "bundle"

    def whole_or_none() -> None:
        if out.exists():
            with checked(out):
                pass
            out.rename(tmp_path / f"whole-{len(list(tmp_path.iterdir()))}")

    killed_often(export, (file, out, "int4", False, temporary), whole_or_none)
    done(export, file, out, "int4", False, temporary)
    assert left_in(out.parent) == {"bundle"}


def train(model: Path, out: Path, corpus: Path, resume: bool, temporary: Path) -> None:
    tempfile.tempdir = str(temporary)
    adapt(
        str(model),
        out,
        corpus=[corpus],
        table="int4",
        force=True,
        resume=resume,
        **QUICK | {"steps": 4, "evaluate_every": 2, "checkpoint_every": 1},
    )


def test_a_killed_training_leaves_the_model_that_was_there_and_a_checkpoint_that_goes_on(
    model: Path, tmp_path: Path, temporary: Path
) -> None:
    corpus = write_corpus(tmp_path / "corpus.txt")
    out = tmp_path / "outputs" / "trained"
    done(train, model, out, corpus, False, temporary)
    before = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    checkpoint = out.with_name("trained.checkpoint")
    identity = json.loads((checkpoint / "checkpoint.json").read_text())["identity"]

    def whole() -> None:
        # The same training twice gives the same files: what is there is all of one of them.
        now = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        assert set(now) == set(before)
        assert all(now[name] == content for name, content in before.items() if name.name != INDEX)
        read_checkpoint(checkpoint, identity)

    killed_often(train, (model, out, corpus, False, temporary), whole)
    done(train, model, out, corpus, True, temporary)
    whole()
    assert left_in(out.parent) == {"trained", "trained.checkpoint"} and left_in(temporary) == set()
    assert len(left_in(checkpoint)) == 2


def measure(bundle: Path, report: Path, temporary: Path) -> None:
    tempfile.tempdir = str(temporary)
    write_comparison(
        report, profile_on_all(bundle, ["host"], ProfilePlan(lengths=(8,), runs=2, budget_s=0.1))
    )


def workers_of(bundle: Path) -> list[int]:
    """Processes that measure a bundle."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [int(path.parent.name)] if str(bundle).encode() in path.read_bytes() else []
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are listed in /proc")
def test_a_killed_profile_leaves_the_report_that_was_there_and_no_process(
    tiny_bundle: Path, tmp_path: Path, temporary: Path
) -> None:
    report = tmp_path / "outputs" / "report.json"
    report.parent.mkdir()
    done(measure, tiny_bundle, report, temporary)

    def whole() -> None:
        assert read_comparison(report).reports[0].bundle.name == tiny_bundle.name
        with checked(tiny_bundle):
            pass

    killed_often(measure, (tiny_bundle, report, temporary), whole)
    done(measure, tiny_bundle, report, temporary)
    assert left_in(report.parent) == {"report.json"} and left_in(temporary) == set()
    assert workers_of(tiny_bundle) == []
