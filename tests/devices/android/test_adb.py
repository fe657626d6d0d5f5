"""Phones on adb: the real adb client against a phone in a folder, whose programs for 64-bit Arm run under qemu-aarch64."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeemb.devices import attached, profile_on
from edgeemb.devices.android import adb
from edgeemb.devices.measurement import report_from_json
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError, SpecError
from tests.fixtures.adb.cases import QUICK, plugged_in, value
from tests.fixtures.adb.phone import FakePhone
from tests.fixtures.requirements import requires_program

pytestmark = requires_program("qemu-aarch64", "qemu-user")


def add_sensors(phone: FakePhone) -> None:
    """Clocks and temperatures; the last core that this process may use is the fast one."""
    mine = sorted(os.sched_getaffinity(0))
    for cpu in range(max(mine) + 1):
        place = phone.place(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq")
        place.mkdir(parents=True)
        most = 2_800_000 if cpu == mine[-1] else 1_800_000
        (place / "cpuinfo_max_freq").write_text(f"{most}\n")
        (place / "scaling_cur_freq").write_text(f"{most - 600_000}\n")
        (place / "scaling_governor").write_text("schedutil\n")
    for number, (kind, heat) in enumerate((("battery", 29_000), ("cpu-0-0", 41_500), ("cpu-1-0", 43_000))):
        place = phone.place(f"/sys/class/thermal/thermal_zone{number}")
        place.mkdir(parents=True)
        (place / "type").write_text(f"{kind}\n")
        (place / "temp").write_text(f"{heat}\n")


def test_lists_the_phones_and_says_what_hinders_them(adb_server: Path, tmp_path: Path) -> None:
    with (
        plugged_in(adb_server, tmp_path / "a") as ready,
        plugged_in(adb_server, tmp_path / "b", authorised=False) as stranger,
    ):
        listed = {device.name: device for device in attached()}
        assert listed[f"android:{ready.serial}"].summary == "Model_1"
        assert listed[f"android:{ready.serial}"].kind == "phone"
        assert "accept the key" in listed[f"android:{stranger.serial}"].summary
        shown = subprocess.run(
            [sys.executable, "-m", "edgeemb.cli.app", "devices", "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"android:{ready.serial}" in [device["name"] for device in json.loads(shown.stdout)]


def test_measures_a_bundle_on_a_phone_and_leaves_nothing_there(
    adb_server: Path, phone_bundle: Path, tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        add_sensors(phone)
        plan = ProfilePlan(lengths=(5, 8, 1000), threads=(1, 2), runs=12, ops_profile=True, allow_code=True)
        report = profile_on("android", phone_bundle, plan, lambda *step: steps.append(step))
        assert phone.left() == []
        assert all(process.poll() is not None for process in phone.processes)
    assert steps[-1][0] == steps[-1][1] == len(steps)
    assert report_from_json(json.loads(json.dumps(report.to_json()))) == report
    assert (report.device, report.kind) == (f"android:{phone.serial}", "phone")
    assert report.machine.cpu == "Fabrik Model 1 (Chip 2, arm64-v8a)"
    assert report.machine.os.startswith("Android 14 (API 34), Linux ")
    assert "governor: schedutil" in report.machine.notes
    assert "1 up to 2.80 GHz" in report.machine.notes[0]
    for length in (5, 8):
        assert (value(report, "p50_ms", length, 1) or 0) > 0
        assert (value(report, "p90_ms", length, 1) or 0) > 0
        assert (value(report, "lookup_ms", length, 1) or 0) > 0
        assert value(report, "p50_ms", length, 2) is None
        assert (
            0
            < (value(report, "tokens_p50_ms", length, 1) or 0)
            < (value(report, "text_p50_ms", length, 1) or 0)
        )
    missing = report.find("p50_ms", 1000, 1)
    assert missing is not None and "at most 40 tokens" in missing.reason
    for name in ("load_ms", "cold_load_ms"):
        assert report.find(name, None, 1) is not None
    assert (value(report, "load_ms", None, 1) or 0) > 0
    assert (value(report, "first_inference_ms", 5, 1) or 0) > 0
    for name in ("baseline_rss_bytes", "pss_bytes"):
        assert (value(report, name) or 0) > 0
    for name in ("load_anonymous_bytes", "steady_anonymous_bytes", "peak_rss_bytes"):
        assert value(report, name) is not None
    assert value(report, "clock_before_mhz") == value(report, "clock_after_mhz") == 2200
    assert value(report, "temperature_before_celsius") == value(report, "temperature_after_celsius") == 43
    assert [operator.lookup for operator in report.operators].count(True) == 1
    assert sum(operator.share_percent for operator in report.operators) == pytest.approx(100)
    assert any("golden sentences gave the host's result to the bit" in note for note in report.notes)


def test_times_a_c_export_on_two_threads_and_gives_the_rows_of_tokens(
    adb_server: Path, labellers: dict[str, Path], tmp_path: Path
) -> None:
    plan = ProfilePlan(lengths=(38,), threads=(1, 2), runs=4, budget_s=0.01, allow_code=True)
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        report = profile_on("android", labellers["ios"], plan)
        assert phone.left() == []
    for threads in (1, 2):
        found = report.find("p50_ms", 38, threads)
        assert found is not None
        assert (found.value or 0) > 0 or "cores" in found.reason
    assert any("golden sentences gave the host's result to the bit" in note for note in report.notes)


def test_leaves_empty_with_the_reason_what_a_phone_does_not_tell(
    adb_server: Path, phone_bundle: Path, tmp_path: Path
) -> None:
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        zones, cores = phone.place("/sys/class/thermal"), phone.place("/sys/devices/system/cpu/cpu0/cpufreq")
        zones.mkdir(parents=True)
        cores.mkdir(parents=True)
        report = profile_on(f"android:{phone.serial}", phone_bundle, QUICK)
    heat = report.find("temperature_before_celsius")
    assert heat is not None
    assert heat.value is None and heat.reason == "the phone does not report its temperatures"
    p99 = report.find("p99_ms", 5, 1)
    assert p99 is not None and p99.reason == "needs 100 runs, had 2"


@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="a machine with one core has no big and little ones"
)
@pytest.mark.parametrize(("cores", "place"), [("big", -1), ("little", 0)])
def test_runs_on_the_big_or_the_little_cores_alone(
    cores: str, place: int, adb_server: Path, phone_bundle: Path, tmp_path: Path
) -> None:
    mine = sorted(os.sched_getaffinity(0))
    expected = mine[-1:] if cores == "big" else mine[:-1]
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        add_sensors(phone)
        report = profile_on(
            "android", phone_bundle, ProfilePlan((5,), runs=2, budget_s=0.01, cores=cores, allow_code=True)
        )
    assert f"ran on {cores} cores: {', '.join(map(str, expected))}" in report.machine.notes


def test_refuses_to_choose_among_cores_that_are_alike(
    adb_server: Path, phone_bundle: Path, tmp_path: Path
) -> None:
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        for cpu in sorted(os.sched_getaffinity(0)):
            place = phone.place(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq")
            place.mkdir(parents=True)
            (place / "cpuinfo_max_freq").write_text("1800000\n")
        with pytest.raises(DeviceError, match="all cores have the same maximal clock: use --cores all"):
            profile_on("android", phone_bundle, ProfilePlan((5,), cores="big", allow_code=True))
        assert phone.left() == []
    with pytest.raises(SpecError, match="`cores` and `runtime_lib` are for phones"):
        profile_on("host", phone_bundle, ProfilePlan(cores="big", allow_code=True))


def test_removes_what_a_run_of_long_ago_left_behind(adb_server: Path, tmp_path: Path) -> None:
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        old, fresh, other = (phone.files / name for name in ("edgeemb-old", "edgeemb-fresh", "other"))
        for folder in (old, fresh, other):
            folder.mkdir()
        os.utime(old, (0, 0))
        os.utime(other, (0, 0))
        with adb.workspace(adb.find_phone()) as folder_there:
            assert phone.left() == sorted(["edgeemb-fresh", "other", folder_there.rpartition("/")[2]])
