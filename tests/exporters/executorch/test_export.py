"""ExecuTorch bundles: what they compute, in the lean runner and in the stock runtime, and what they refuse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import edgeemb
from edgeemb.devices import profile_on
from edgeemb.devices.host.operators import read_operators
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import BundleError, DeviceError, ExportError, InputError, NativeError, SpecError
from edgeemb.exporters.executorch.writer import _inputs, write
from edgeemb.exporters.targets import find_target
from edgeemb.exporters.writers import Request
from edgeemb.models.loading import load_torch
from edgeemb.models.torch.model import Model
from edgeemb.runtimes.executorch import build as executorch_build
from edgeemb.runtimes.executorch.runner import Program
from edgeemb.tables import encode
from tests.fixtures import models
from tests.fixtures.models.families import save_family
from tests.places import ROOT

SPECS = ["word=int4:block=8", "position=int8"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    return load_torch(models.save_plain(folder, "bert", num_hidden_layers=1))


@pytest.fixture(scope="module")
def bundle(model: Model, cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """An int8 body with our ops."""
    return cached(
        "executorch-int8",
        lambda out: edgeemb.export(model, out, runtime="executorch", table=SPECS, body="int8", ops="custom"),
    )


def test_a_bundle_embeds_texts_as_the_original_does(bundle: Path, model: Model) -> None:
    with edgeemb.open(bundle) as session:
        got = session.encode(models.TEXTS)
        assert session.manifest.parity["cosine_min"] > 0.98
    want = np.concatenate([models.run(model, [text]).numpy() for text in models.TEXTS])
    assert got.shape == want.shape
    assert (got * want).sum(axis=1).min() > 0.98


def test_texts_of_a_batch_do_not_change_each_other(bundle: Path) -> None:
    with edgeemb.open(bundle, threads=1) as session:
        together = session.encode(models.TEXTS)
        alone = np.concatenate([session.encode([text]) for text in models.TEXTS])
    np.testing.assert_array_equal(together, alone)


def test_the_manifest_says_what_the_delegate_took(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["runtime"] == "executorch"
    note = next(note for note in manifest["notes"] if note.startswith("XNNPACK runs"))
    assert "edgeemb.quantized_lookup 3" in note
    assert "edgeemb.quantized_linear8 6" in note
    assert "planned for activations" in note


def test_the_kit_carries_the_source_of_the_ops(bundle: Path) -> None:
    kit = bundle / "kit" / "executorch"
    assert (kit / "executorch" / "ops.cpp").is_file()
    assert (kit / "kernels" / "quantized.h").is_file()
    assert (kit / "panels" / "quantized_linear.h").is_file()


def test_a_phone_on_adb_cannot_run_it(bundle: Path) -> None:
    with pytest.raises(DeviceError, match="ExecuTorch has no C interface"):
        profile_on("android", bundle, ProfilePlan(lengths=(5,)))


def test_running_imports_no_torch(bundle: Path) -> None:
    code = "import sys, edgeemb; edgeemb.open(sys.argv[1]).encode(['a cat']); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_the_stock_runtime_gives_the_same_vectors(bundle: Path, tmp_path: Path) -> None:
    with edgeemb.open(bundle, threads=1) as session:
        feeds = session.feeds(session.tokens(["a cat sat"]))
        expected = session.run(feeds)
    arrays = [feeds[info.name] for info in session.manifest.inputs]
    np.savez(tmp_path / "feeds.npz", *arrays)
    code = """
import sys, pathlib, numpy
from bench.executorch.stock import StockProgram
given = numpy.load(sys.argv[2])
program = StockProgram(pathlib.Path(sys.argv[1]), threads=1, custom=sys.argv[4] == 'custom')
numpy.save(sys.argv[3], program.run([given[name] for name in given.files])[0])
"""
    arguments = [
        str(bundle / "model.pte"),
        str(tmp_path / "feeds.npz"),
        str(tmp_path / "stock.npy"),
        session.manifest.ops,
    ]
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "stock.npy"), expected)


def test_a_profile_tells_cost_by_operator(bundle: Path, tmp_path: Path) -> None:
    with edgeemb.open(bundle, threads=1, ops_profile=tmp_path / "profile") as session:
        for _ in range(3):
            session.encode(["a cat"])
        trace = session.engine.end_profile()  # type: ignore[attr-defined]
    operators = {operator.name: operator for operator in read_operators(trace, ["word", "position", "type"])}
    assert operators["QuantizedLookup"].lookup
    assert operators["QuantizedLookup"].calls == 3
    assert operators["QuantizedLinear8"].calls == 6
    assert "XNNPACK" in operators


def test_an_id_out_of_range_is_refused_with_the_id_and_the_rows(bundle: Path) -> None:
    ids = np.array([[2, 9000, 3]])
    with edgeemb.open(bundle) as session:
        with pytest.raises(InputError, match=r"id 9000 .*\[0, 67\)"):
            session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        # The kernel itself refuses it too, for whoever runs the program without a session.
        with pytest.raises(InputError, match=r"id 9000 at position 1 is outside \[0, 67\)"):
            session.engine.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        assert session.encode(["a cat"]).shape == (1, models.HIDDEN)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((1, models.POSITIONS + 1), "has 41 along the axis 'length': the model takes at most 40"),
        ((1, 0), "give at least one"),
    ],
)
def test_a_length_outside_the_exported_range_is_refused(
    bundle: Path, shape: tuple[int, int], says: str
) -> None:
    with edgeemb.open(bundle) as session, pytest.raises(InputError, match=says):
        session.run({"input_ids": np.ones(shape, np.int64), "attention_mask": np.ones(shape, np.int64)})


def test_inputs_of_different_lengths_are_refused(bundle: Path) -> None:
    feeds = {"input_ids": np.ones((1, 5), np.int64), "attention_mask": np.ones((1, 3), np.int64)}
    with edgeemb.open(bundle) as session, pytest.raises(InputError, match="give both the same"):
        session.run(feeds)


@pytest.mark.parametrize("kept", [0, 3, 64, 5000, -1])
def test_a_truncated_program_is_refused(bundle: Path, tmp_path: Path, kept: int) -> None:
    whole = (bundle / "model.pte").read_bytes()
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "model.pte").write_bytes(whole[:kept])
    with pytest.raises(BundleError, match="instead of"):
        edgeemb.open(copy)
    with pytest.raises(BundleError, match="cannot load it"):
        edgeemb.open(copy, verify_files=False)


def test_the_other_lowering_cannot_be_asked_for_afterwards(bundle: Path) -> None:
    with pytest.raises(SpecError, match='export it again with ops="builtin"'):
        edgeemb.open(bundle, ops="builtin")


def test_a_thread_pool_in_use_is_not_resized(bundle: Path) -> None:
    with (
        edgeemb.open(bundle, threads=2) as first,
        pytest.raises(BundleError, match="another session uses the process's 2 threads"),
    ):
        assert first.encode(["a cat"]).shape == (1, models.HIDDEN)
        edgeemb.open(bundle, threads=3)
    with edgeemb.open(bundle, threads=3) as third:
        assert third.encode(["a cat"]).shape == (1, models.HIDDEN)


def test_the_ops_may_be_loaded_twice(bundle: Path, tmp_path: Path) -> None:
    library = executorch_build.build()
    (tmp_path / "copy.so").write_bytes(library.read_bytes())
    code = "import ctypes, sys, edgeemb; s = edgeemb.open(sys.argv[1]); ctypes.CDLL(sys.argv[2]); print(s.encode(['a']).shape)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle), str(tmp_path / "copy.so")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"(1, {models.HIDDEN})"


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEEMB_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(NativeError, match="no-such-compiler does not exist"):
        executorch_build.build()
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NativeError, match="install g\\+\\+ or set CXX"):
        executorch_build.build()


def test_two_processes_build_once(tmp_path: Path) -> None:
    code = "from edgeemb.runtimes.executorch.build import build; p = build(); print(p.stat().st_ino)"
    environment = {**os.environ, "EDGEEMB_CACHE": str(tmp_path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert len({process.communicate()[0] for process in processes}) == 1
    assert all(process.returncode == 0 for process in processes)


class Untraceable(torch.nn.Module):
    """A module whose control flow depends on its data."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(10, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """:param ids: int64[batch]. :return: float32[batch, 4]."""
        rows: torch.Tensor = self.table(ids)
        if rows.sum() > 0:
            return rows
        return -rows


def test_a_model_that_does_not_trace_is_refused_with_its_line(tmp_path: Path) -> None:
    model = load_torch(Untraceable(), example_inputs=(torch.tensor([1, 2]),))
    request = Request(model, {}, "fp32", "builtin", (), find_target(None))
    with pytest.raises(
        ExportError, match=r"cannot be traced at .*test_export\.py:\d+ \(if rows\.sum\(\) > 0:\)"
    ):
        write(request, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_body_that_executorch_has_not_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="ExecuTorch cannot run the body 'fp16': use fp32 or int8 or int4"):
        edgeemb.export(model, tmp_path / "out", target="linux-x64", runtime="executorch", body="fp16")


def test_lengths_bound_the_program(model: Model) -> None:
    assert _inputs(model, (16,))[1][0][1].max == 16
    assert _inputs(model, ())[1][0][1].max == 40
    with pytest.raises(ExportError, match="takes at most 40 tokens"):
        _inputs(model, (41,))


def test_plans_memory_for_512_tokens_where_a_model_takes_more_and_no_length_is_named(model: Model) -> None:
    long = replace(model, max_length=9000)
    assert _inputs(long, ())[1][0][1].max == 512
    assert _inputs(long, (1024,))[1][0][1].max == 1024


def test_texts_are_cut_at_the_longest_length_that_was_asked_for(model: Model, tmp_path: Path) -> None:
    bundle = edgeemb.export(
        model, tmp_path / "out", runtime="executorch", table="fp32", body="fp32", lengths=(8,)
    )
    with edgeemb.open(bundle) as session:
        assert session.manifest.max_length == 8
        assert len(session.tokens(["a " * 30])[0]) == 8
        assert session.encode(["a " * 30]).shape == (1, 16)


def test_texts_are_padded_where_a_model_cannot_be_lowered_for_any_length(tmp_path: Path) -> None:
    model = load_torch(save_family(tmp_path / "m", "MobileBERT"))
    bundle = edgeemb.export(
        model, tmp_path / "out", runtime="executorch", body="fp32", table="fp32", lengths=(24,)
    )
    with edgeemb.open(bundle) as session:
        assert session.manifest.lengths == [24]
        assert any(note.startswith("every text is padded to 24 tokens") for note in session.manifest.notes)
        together = session.encode(models.TEXTS)
        assert np.array_equal(together, np.concatenate([session.encode([text]) for text in models.TEXTS]))
        with pytest.raises(InputError, match="takes at most 24"):
            session.run(
                {"input_ids": np.ones((1, 25), np.int64), "attention_mask": np.ones((1, 25), np.int64)}
            )


def test_a_module_with_two_tables_and_a_shared_weight_runs_in_batches(tmp_path: Path) -> None:
    examples = {"user": torch.tensor([1, 2]), "history": torch.tensor([[1, 2, 3], [4, 5, 6]])}
    model = load_torch(
        models.Recommender(),
        example_inputs=examples,
        axes={"user": ["batch"], "history": ["batch", "length"]},
    )
    tables = {table.alias: encode(model.table_weight(table.alias), "int8") for table in model.tables}
    written = write(Request(model, tables, "fp32", "custom", (4,), find_target(None)), tmp_path)
    assert written.heads == ("item",) and not any("item" in note for note in written.notes)
    user, history = np.array([3, 4, 5]), np.arange(6).reshape(3, 2)
    program = Program(tmp_path / "model.pte", threads=1)
    scores = program.run([user, history])[0]
    program.close()
    want = model.module(torch.from_numpy(user), torch.from_numpy(history)).detach().numpy()
    np.testing.assert_allclose(scores, want, atol=0.1)
