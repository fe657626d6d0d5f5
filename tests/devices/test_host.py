"""Profiling on the host: fresh processes, memory, latency in turns, operators, bundles side by side."""

from __future__ import annotations

import json
import mmap
import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgeemb
from edgeemb.bundle.manifest import TensorEntry, read_manifest
from edgeemb.devices.feeds import make_feeds, refusal
from edgeemb.devices.host.latency import Turns, measure_latency, ratio, swept_bytes
from edgeemb.devices.host.machine import USUAL_CACHE_BYTES, cores, last_cache_bytes, this_machine
from edgeemb.devices.host.memory import read_memory, reset_peak
from edgeemb.devices.host.operators import read_operators
from edgeemb.devices.host.process import Setting, Worker
from edgeemb.devices.host.profile import names, profile
from edgeemb.devices.measurement import Report, dump, report_from_json
from edgeemb.devices.plan import ProfilePlan
from edgeemb.devices.texts import text_of
from edgeemb.errors import BundleError, DeviceError, InputError
from edgeemb.report.comparison import compare
from tests.fixtures.models import POSITIONS, save_sentence

MEGABYTE = 2**20

MEMORY = (
    "baseline_rss_bytes",
    "load_anonymous_bytes",
    "load_file_bytes",
    "steady_anonymous_bytes",
    "steady_file_bytes",
    "peak_rss_bytes",
)

QUICK = ProfilePlan(lengths=(4,), budget_s=0.01)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny sentence encoder, with a full and with a compressed table."""
    folder = tmp_path_factory.mktemp("bundles")
    model = edgeemb.load(str(save_sentence(folder / "model")))
    full, small = (
        edgeemb.export(model, folder / name, table={"word": spec}, ops="builtin", body="fp32")
        for name, spec in (("full", "fp32"), ("small", "int4:block=8"))
    )
    return full, small


@pytest.fixture(scope="module")
def report(bundles: tuple[Path, Path]) -> Report:
    """A profile with lengths and thread counts that the bundle and this machine have, and have not."""
    plan = ProfilePlan(
        lengths=(4, 2 * POSITIONS), threads=(1, cores() + 1), runs=12, ops="builtin", ops_profile=True
    )
    told: list[tuple[int, int]] = []
    report = profile(bundles[1], plan, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    return report


def test_a_profile_has_load_latency_and_memory_of_a_fresh_process(report: Report) -> None:
    for name in MEMORY:
        found = report.find(name)
        assert found is not None and found.value is not None, name
    for name, length, threads in (
        ("load_ms", None, 1),
        ("first_inference_ms", 4, 1),
        ("p50_ms", 4, 1),
        ("p90_ms", 4, 1),
        ("cold_p50_ms", 4, 1),
        ("first_text_ms", None, 1),
        ("tokens_p50_ms", 4, 1),
        ("text_p50_ms", 4, 1),
    ):
        found = report.find(name, length, threads)
        assert found is not None and found.value is not None and found.value > 0, name
    latency = report.find("p50_ms", 4, 1)
    assert latency is not None and latency.runs == 12
    cold = report.find("cold_p50_ms", 4, 1)
    assert cold is not None and cold.runs == 12
    assert any(f"{swept_bytes() / 1e6:.0f} MB of other memory" in note for note in report.notes)
    assert (report.device, report.kind) == ("host", "host")
    assert report.machine == this_machine()
    assert report_from_json(json.loads(dump(report))) == report


def test_sweeps_four_times_the_last_of_the_caches(tmp_path: Path) -> None:
    assert swept_bytes() == 4 * last_cache_bytes()
    assert last_cache_bytes(tmp_path / "none") == USUAL_CACHE_BYTES
    for number, size in enumerate(("48K\n", "32K\n", "2048K\n", "36M\n", "unknown\n")):
        (tmp_path / f"index{number}").mkdir()
        (tmp_path / f"index{number}" / "size").write_text(size, "utf-8")
    assert last_cache_bytes(tmp_path) == 36 * 2**20


def test_a_profile_says_what_a_text_costs_beside_the_inference(report: Report) -> None:
    tokens, whole = report.find("tokens_p50_ms", 4, 1), report.find("text_p50_ms", 4, 1)
    assert tokens is not None and tokens.value is not None
    assert whole is not None and whole.value is not None and 0 < tokens.value < whole.value
    added = report.find("first_text_anonymous_bytes")
    assert added is not None and added.value is not None and added.value < 20e6
    assert any("text in to vector out" in note for note in report.notes)


def test_a_text_of_a_length_has_as_many_tokens_as_fit() -> None:
    for length in (4, 5, 17, 300):
        text = text_of(length, lambda text: ["first", *text.split(), "last"][:256])
        assert len(text.split()) + 2 == min(length, 256)
    assert len(text_of(2, lambda text: ["a", *text.split(), "b"]).split()) == 1


def test_a_profile_leaves_out_what_cannot_be_measured_and_says_why(report: Report) -> None:
    too_long = report.find("p50_ms", 2 * POSITIONS, 1)
    assert too_long is not None and too_long.value is None and "at most" in too_long.reason
    too_many = report.find("p50_ms", 4, cores() + 1)
    assert too_many is not None and too_many.value is None and f"{cores()} cores" in too_many.reason
    few = report.find("p99_ms", 4, 1)
    assert few is not None and few.value is None and few.reason == "needs 100 runs, had 12"
    cold = report.find("cold_p50_ms", 2 * POSITIONS, 1)
    assert cold is not None and cold.value is None and cold.reason == too_long.reason


def test_a_profile_describes_the_bundle_as_its_manifest_does(
    report: Report, bundles: tuple[Path, Path]
) -> None:
    manifest = read_manifest(bundles[1])
    assert report.bundle.name == "small"
    assert report.bundle.sizes == manifest.sizes
    assert report.bundle.parity == manifest.parity
    assert report.bundle.tables["word"] == "int4:block=8"
    assert (report.bundle.ops, report.bundle.kernel) == ("builtin", "")


def test_the_cost_by_operator_adds_up_and_shows_the_lookups_apart(report: Report) -> None:
    assert sum(operator.share_percent for operator in report.operators) == pytest.approx(100)
    lookups = {operator.name: operator for operator in report.operators if operator.lookup}
    assert set(lookups) == {"QuantizedLookup4", "QuantizedLookup8"}
    assert lookups["QuantizedLookup4"].calls > 1
    assert any(operator.name == "MatMul" and not operator.lookup for operator in report.operators)


def test_the_native_lookup_is_one_call_and_its_kernel_is_named(bundles: tuple[Path, Path]) -> None:
    plan = ProfilePlan(lengths=(4,), runs=1, ops="custom", ops_profile=True)
    report = profile(bundles[1], plan)
    assert report.bundle.ops == "custom" and report.bundle.kernel
    lookup = next(operator for operator in report.operators if operator.name == "QuantizedLookup4")
    assert lookup.lookup and lookup.calls == 1


def test_a_zipped_bundle_is_profiled_like_its_folder(bundles: tuple[Path, Path], tmp_path: Path) -> None:
    archive = tmp_path / "small.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in bundles[1].rglob("*"):
            file.write(path, path.relative_to(bundles[1]))
    report = profile(archive, QUICK)
    assert report.bundle.sizes == read_manifest(bundles[1]).sizes
    assert report.find("p50_ms", 4, 1) is not None


def test_bundles_side_by_side_have_ratios_to_the_first_and_quality(
    bundles: tuple[Path, Path], tmp_path: Path
) -> None:
    sts = tmp_path / "sts.tsv"
    sts.write_text("5\tthe cat sat\tthe cat sat\n3\tthe cat\tthe mat\n1\tthe cat ran\ton the mat and away\n")
    labelled = tmp_path / "labelled.tsv"
    labelled.write_text("the cat\tcat\nthe mat\tmat\na cat\tcat\na mat\tmat\n")
    result = compare(bundles, QUICK, sts=sts, train=labelled, test=labelled)
    assert [item.bundle.name for item in result.reports] == ["full", "small"]
    assert [(item.bundle, item.length, item.threads) for item in result.ratios] == [(0, 4, 1), (1, 4, 1)]
    assert result.ratios[0].value == 1 and result.ratios[1].value > 0
    for item in result.reports:
        assert item.find("spearman_percent") is not None
        assert item.find("accuracy_percent") is not None


def test_a_damaged_bundle_is_refused_before_it_is_measured(
    bundles: tuple[Path, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in bundles[0].iterdir():
        if path.is_file():
            (broken / path.name).write_bytes(path.read_bytes())
    (broken / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(BundleError, match=r"model\.onnx"):
        profile(broken, QUICK)
    with pytest.raises(BundleError):
        profile(tmp_path, QUICK)


def test_unusable_data_is_refused_before_anything_is_measured(
    bundles: tuple[Path, Path], tmp_path: Path
) -> None:
    empty = tmp_path / "empty.tsv"
    empty.touch()
    with pytest.raises(InputError, match="no sentence pairs"):
        compare(bundles, QUICK, sts=empty, progress=lambda done, total: pytest.fail("it measured"))


@pytest.mark.parametrize("wrong", [{"lengths": (0,)}, {"threads": (0,)}, {"runs": 0}, {"budget_s": 0.0}])
def test_a_plan_without_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ProfilePlan(**wrong)


def test_a_process_that_dies_is_an_error_of_one_line(bundles: tuple[Path, Path]) -> None:
    with Worker(Setting(str(bundles[0]))) as worker:
        pid = worker.ask("open")["pid"]
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(DeviceError, match="ended with signal 9") as caught:
            worker.ask("run", length=4, runs=1)
    assert "\n" not in str(caught.value)


def test_a_process_that_hangs_is_ended(bundles: tuple[Path, Path]) -> None:
    with (
        Worker(Setting(str(bundles[0])), limit_s=0.01) as worker,
        pytest.raises(DeviceError, match=r"did not answer within 0\.01 s"),
    ):
        worker.ask("open")


def test_a_failure_in_the_process_carries_its_message(bundles: tuple[Path, Path], tmp_path: Path) -> None:
    with Worker(Setting(str(tmp_path / "absent"))) as worker:
        with pytest.raises(DeviceError, match=r"measuring absent failed: .*does not exist"):
            worker.ask("open")
        with pytest.raises(DeviceError, match="knows no 'dance'"):
            worker.ask("dance")
        with pytest.raises(DeviceError, match="not open"):
            worker.ask("run", length=4, runs=1)


def test_every_bundle_takes_as_many_turns_as_the_first(bundles: tuple[Path, Path]) -> None:
    turns = measure_latency([Setting(str(bundle)) for bundle in bundles], 4, runs=3)
    assert [taken.runs for taken in turns] == [3, 3]
    assert len(turns[0].turns) == len(turns[1].turns)
    assert [len(taken.cold) for taken in turns] == [3, 3]


@given(
    st.lists(st.lists(st.floats(0.01, 100), min_size=1, max_size=5), min_size=1, max_size=40),
    st.floats(0.1, 10),
)
def test_percentiles_rise_and_ratios_do_not_depend_on_the_unit(
    times: list[list[float]], factor: float
) -> None:
    turns = Turns(16, 1, tuple(tuple(turn) for turn in times))
    values = [found.value for found in turns.percentiles() if found.value is not None]
    assert values == sorted(values)
    slower = Turns(16, 1, tuple(tuple(time * factor for time in turn) for turn in times))
    assert ratio(slower, turns) == pytest.approx(factor)


def test_anonymous_and_file_backed_memory_are_told_apart(tmp_path: Path) -> None:
    size = 32 * MEGABYTE
    path = tmp_path / "data"
    path.write_bytes(bytes(size))
    before = read_memory()
    own = _new_pages(size)
    with_own = read_memory()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[place] for place in range(0, size, mmap.PAGESIZE)) == 0
        with_both = read_memory()
    for reading in (before, with_own, with_both):
        assert reading.anonymous_bytes is not None and reading.file_bytes is not None
    slack = 4 * MEGABYTE
    assert len(own) - slack < _grown(before.anonymous_bytes, with_own.anonymous_bytes) < size + slack
    assert abs(_grown(before.file_bytes, with_own.file_bytes)) < slack
    assert size - slack < _grown(with_own.file_bytes, with_both.file_bytes) < size + slack


def test_the_peak_can_start_anew() -> None:
    _new_pages(64 * MEGABYTE).close()
    before = read_memory().peak_bytes
    if reset_peak():
        assert _grown(read_memory().peak_bytes, before) > 32 * MEGABYTE


def _new_pages(size: int) -> mmap.mmap:
    """Memory from the system itself: an allocator might hand out pages that the process has already."""
    own = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for place in range(0, size, mmap.PAGESIZE):
        own[place] = 1
    return own


def _grown(before: int | None, after: int | None) -> int:
    assert before is not None and after is not None
    return after - before


@given(length=st.integers(1, 64))
def test_made_up_inputs_fit_the_bundle_and_never_change(length: int, bundles: tuple[Path, Path]) -> None:
    manifest = read_manifest(bundles[0])
    feeds = make_feeds(manifest, length)
    ids, mask = feeds["input_ids"], feeds["attention_mask"]
    rows = manifest.inputs[0].rows
    assert ids.shape == mask.shape == (1, length) and rows is not None
    assert ids.dtype == np.int64 and ids.min() >= 0 and ids.max() < rows
    assert (mask == 1).all()
    assert np.array_equal(ids, make_feeds(manifest, length)["input_ids"])


def test_inputs_without_a_sequence_stay_a_batch_of_one(bundles: tuple[Path, Path]) -> None:
    inputs = [TensorEntry("user", "int32", ["batch"], 50), TensorEntry("dense", "float32", ["batch", 13])]
    manifest = read_manifest(bundles[0])
    feeds = make_feeds(type(manifest)(**{**vars(manifest), "inputs": inputs}), 5)
    assert feeds["user"].shape == (1,) and feeds["user"].dtype == np.int32
    assert feeds["dense"].shape == (1, 13)


def test_a_bundle_with_fixed_lengths_takes_no_other(bundles: tuple[Path, Path]) -> None:
    manifest = read_manifest(bundles[0])
    fixed = type(manifest)(**{**vars(manifest), "lengths": [8, 16]})
    assert refusal(fixed, 16) == ""
    assert refusal(fixed, 10) == "the bundle takes only the lengths 8, 16"


def test_bundles_with_equal_names_are_told_apart_by_their_paths() -> None:
    assert names(["a/out", "b/out", "c"]) == ["a/out", "b/out", "c"]


def test_operators_are_the_medians_of_the_runs_that_count(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    for run, micros in enumerate((9000, 30, 10, 20)):
        start = run * 10_000
        events.append({"cat": "Session", "name": "model_run", "ph": "X", "ts": start, "dur": 9999})
        for node, op in (
            ("mm", "MatMul"),
            ("word/Add_3", "Add"),
            ("word_1/Gather_0", "Gather"),
            ("word_gate", "Mul"),
        ):
            event = {"cat": "Node", "name": f"{node}_kernel_time", "ph": "X", "ts": start + 1, "dur": micros}
            events.append({**event, "args": {"op_name": op}})
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(events))
    found = {operator.name: operator for operator in read_operators(path, ["word"], skip_runs=1)}
    assert set(found) == {"MatMul", "Mul", "lookup of word"}
    assert found["lookup of word"].calls == 2 and found["lookup of word"].lookup
    assert found["lookup of word"].value == pytest.approx(0.04)
    assert found["MatMul"].share_percent == pytest.approx(25)


@pytest.mark.parametrize(
    "text", ["{}", "[]", "[1, {}]", "no json", '[{"ph": "X", "name": "model_run", "ts": "now"}]']
)
def test_a_profile_that_holds_no_inference_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "profile.json"
    path.write_text(text)
    with pytest.raises(DeviceError):
        read_operators(path, [], skip_runs=1)
