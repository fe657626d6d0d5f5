"""Phones on adb: the real adb client against a phone in a folder, whose programs for 64-bit Arm run under qemu-aarch64."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ai_edge_litert
import onnxruntime
import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

import edgeemb
from edgeemb.bundle import MANIFEST, file_entry, read_manifest
from edgeemb.devices import adb, arm64_system, attached, profile_on
from edgeemb.devices.android import profile
from edgeemb.devices.android_runner import ENGINES, Library, build_dynamic, read_library
from edgeemb.devices.arm64_phone import phones
from edgeemb.devices.arm64_qemu import machine
from edgeemb.devices.measurement import Report, report_from_json
from edgeemb.devices.plan import Plan
from edgeemb.errors import DeviceError, SpecError
from edgeemb.model import Model
from tests.adb_phone import FakePhone
from tests.requirements import requires_program

pytestmark = requires_program("qemu-aarch64", "qemu-user")

QUICK = Plan(lengths=(5,), runs=2, budget_s=0.01)
#: What the broken model does for each length: a bad address, an endless loop, and one that the runner's own alarm does not end.
CRASH, HANG, DEAF = 5, 6, 7
#: This machine as a phone's processor.
HOST_ABI = {"x86_64": "x86_64", "aarch64": "arm64-v8a"}[platform.machine()]
HOST = {"ro.product.cpu.abi": HOST_ABI}


@contextmanager
def plugged_in(adb_server: Path, folder: Path, **options: Any) -> Iterator[FakePhone]:
    """A phone that the server knows of, until the block ends."""
    with FakePhone(folder, **options) as phone:
        subprocess.run([adb_server, "connect", phone.serial], check=False, capture_output=True)
        try:
            yield phone
        finally:
            subprocess.run([adb_server, "disconnect", phone.serial], check=False, capture_output=True)


@pytest.fixture(scope="module")
def bundle(tiny: Model, cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The tiny encoder as C."""
    return cached("phone-c", lambda path: edgeemb.export(tiny, path, target="cortex-m4", table="int4"))


@pytest.fixture(scope="module")
def tflite_bundle(tiny: Model, cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The tiny encoder for LiteRT, with standard ops."""
    options: dict[str, Any] = {"runtime": "tflite", "ops": "builtin", "body": "fp32", "lengths": (40,)}
    return cached("phone-tflite", lambda path: edgeemb.export(tiny, path, table="int4", **options))


@pytest.fixture(scope="module")
def broken(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a model that crashes or hangs for some lengths."""
    folder = tmp_path_factory.mktemp("broken") / "broken"
    shutil.copytree(bundle, folder)
    source = folder / "model.c"
    text = source.read_text("utf-8")
    call = next(line for line in text.splitlines() if line.startswith("    embed(&memory, "))
    faults = (
        f"    if (tokens == {CRASH}) *(volatile char *)8 = 1;\n"
        f"    if (tokens == {DEAF}) alarm(0);\n"
        f"    while (tokens == {HANG} || tokens == {DEAF}) {{ }}\n"
    )
    source.write_text("unsigned alarm(unsigned seconds);\n" + text.replace(call, faults + call), "utf-8")
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    manifest["files"]["model.c"] = asdict(file_entry(source))
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return folder


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


def value(report: Report, name: str, length: int | None = None, threads: int | None = None) -> float | None:
    """A measured value, which must have been looked for."""
    found = report.find(name, length, threads)
    assert found is not None, name
    return found.value


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
            [sys.executable, "-m", "edgeemb.cli", "devices", "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"android:{ready.serial}" in [device["name"] for device in json.loads(shown.stdout)]


def test_measures_a_bundle_on_a_phone_and_leaves_nothing_there(
    adb_server: Path, bundle: Path, tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        add_sensors(phone)
        plan = Plan(lengths=(5, 8, 1000), threads=(1, 2), runs=12, ops_profile=True)
        report = profile_on("android", bundle, plan, lambda *step: steps.append(step))
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


def test_leaves_empty_with_the_reason_what_a_phone_does_not_tell(
    adb_server: Path, bundle: Path, tmp_path: Path
) -> None:
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        zones, cores = phone.place("/sys/class/thermal"), phone.place("/sys/devices/system/cpu/cpu0/cpufreq")
        zones.mkdir(parents=True)
        cores.mkdir(parents=True)
        report = profile_on(f"android:{phone.serial}", bundle, QUICK)
    heat = report.find("temperature_before_celsius")
    assert heat is not None
    assert heat.value is None and heat.reason == "the phone does not tell its temperatures"
    p99 = report.find("p99_ms", 5, 1)
    assert p99 is not None and p99.reason == "needs 100 runs, had 2"


@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="a machine with one core has no big and little ones"
)
@pytest.mark.parametrize(("cores", "place"), [("big", -1), ("little", 0)])
def test_runs_on_the_big_or_the_little_cores_alone(
    cores: str, place: int, adb_server: Path, bundle: Path, tmp_path: Path
) -> None:
    mine = sorted(os.sched_getaffinity(0))
    expected = mine[-1:] if cores == "big" else mine[:-1]
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        add_sensors(phone)
        report = profile_on("android", bundle, Plan((5,), runs=2, budget_s=0.01, cores=cores))
    assert f"ran on {cores} cores: {', '.join(map(str, expected))}" in report.machine.notes


def test_refuses_to_choose_among_cores_that_are_alike(adb_server: Path, bundle: Path, tmp_path: Path) -> None:
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        for cpu in sorted(os.sched_getaffinity(0)):
            place = phone.place(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq")
            place.mkdir(parents=True)
            (place / "cpuinfo_max_freq").write_text("1800000\n")
        with pytest.raises(DeviceError, match="all cores have the same maximal clock: use --cores all"):
            profile_on("android", bundle, Plan((5,), cores="big"))
        assert phone.left() == []
    with pytest.raises(SpecError, match="--cores and --runtime-lib are for phones"):
        profile_on("host", bundle, Plan(cores="big"))


def test_removes_what_a_run_of_long_ago_left_behind(adb_server: Path, tmp_path: Path) -> None:
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        old, fresh, other = (phone.files / name for name in ("edgeemb-old", "edgeemb-fresh", "other"))
        for folder in (old, fresh, other):
            folder.mkdir()
        os.utime(old, (0, 0))
        os.utime(other, (0, 0))
        with adb.workspace(adb.find_phone()) as folder_there:
            assert phone.left() == sorted(["edgeemb-fresh", "other", folder_there.rpartition("/")[2]])


def host_library() -> Path:
    """ONNX Runtime's own shared library, from its wheel."""
    return next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))


def test_runs_an_onnx_bundle_in_the_runtime_that_is_given(
    adb_server: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    plan = Plan((5,), (1,), 2, "builtin", budget_s=0.01, runtime_lib=host_library())
    with plugged_in(adb_server, tmp_path / "phone", properties=HOST) as phone:
        report = profile_on("android", tiny_bundle, plan)
        assert phone.left() == []
    assert report.versions["onnxruntime"] == onnxruntime.__version__
    assert (value(report, "p50_ms", 5, 1) or 0) > 0
    assert any("golden sentences" in note for note in report.notes)


def test_runs_a_tflite_bundle_in_the_litert_that_is_given(
    adb_server: Path, tflite_bundle: Path, tmp_path: Path
) -> None:
    library = Path(ai_edge_litert.__file__).parent / "libLiteRt.so"
    plan = Plan((5, 40), (1,), 2, budget_s=0.01, runtime_lib=library)
    with plugged_in(adb_server, tmp_path / "phone", properties=HOST) as phone:
        report = profile_on("android", tflite_bundle, plan)
        assert phone.left() == []
    assert (value(report, "p50_ms", 40, 1) or 0) > 0
    assert value(report, "p50_ms", 5, 1) is None
    assert any("golden sentences" in note.lower() for note in report.notes)


def test_runs_onnx_runtime_for_arm_on_an_arm_phone(
    adb_server: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    debian = arm64_system.system()
    release = arm64_system.python(debian).name.removeprefix("python")
    library = next(arm64_system.site(["onnxruntime"], release).rglob("libonnxruntime.so.*"))
    plan = Plan((5,), (1,), 2, "builtin", budget_s=0.01, runtime_lib=library)
    with (
        machine(phones()["arm64-a76"], debian) as emulated,
        plugged_in(
            adb_server,
            tmp_path / "phone",
            emulator=("qemu-aarch64", "-cpu", emulated.phone.qemu, "-L", str(emulated.root)),
        ) as phone,
    ):
        report = profile_on("android", tiny_bundle, plan)
        assert phone.left() == []
    assert report.machine.cpu.endswith("arm64-v8a)")
    assert report.versions["onnxruntime"] == onnxruntime.__version__
    assert any("golden sentences" in note.lower() for note in report.notes)


@pytest.mark.parametrize("runtime", ENGINES)
def test_links_for_android_without_its_ndk(runtime: str, tmp_path: Path) -> None:
    place = build_dynamic(Library(tmp_path / "lib.so", "arm64-v8a", "bionic"), tmp_path, runtime)
    with place.open("rb") as file:
        elf = ELFFile(file)
        loads = [part for part in elf.iter_segments() if part["p_type"] == "PT_LOAD"]
        interpreters = [
            part.get_interp_name() for part in elf.iter_segments() if part["p_type"] == "PT_INTERP"
        ]
        dynamic = next(part for part in elf.iter_sections() if isinstance(part, DynamicSection))
        assert elf["e_type"] == "ET_DYN"
        assert interpreters == ["/system/bin/linker64"]
        assert [tag.needed for tag in dynamic.iter_tags("DT_NEEDED")] == ["libc.so", "libdl.so"]
        assert all(part["p_align"] == 0x4000 for part in loads)
        assert elf.get_section_by_name(".gnu.version") is None
        copied = [part for part in elf.iter_sections() if part["sh_type"] == "SHT_RELA"]
        assert all(entry["r_info_type"] != 1024 for part in copied for entry in part.iter_relocations())


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the loader of another processor has another name")
def test_starts_in_the_way_that_androids_libc_is_entered(tiny_bundle: Path, tmp_path: Path) -> None:
    # Android's libc is not here: glibc under its name, and the one function that glibc lacks.
    source = tmp_path / "libc.c"
    source.write_text(
        "#include <stdlib.h>\n"
        "void __libc_init(long *stack, void (*at_exit)(void), int (*start)(int, char **, char **), void *const *none)\n"
        "{ char **arguments = (char **)(stack + 1); exit(start((int)stack[0], arguments, arguments + stack[0] + 1)); }\n"
    )
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-Wl,-soname,libc.so", source, "-o", tmp_path / "libc.so"], check=True
    )
    (tmp_path / "libdl.so").symlink_to("/lib/x86_64-linux-gnu/libdl.so.2")
    program = build_dynamic(Library(tmp_path / "libonnxruntime.so", "x86_64", "bionic"), tmp_path)
    loader = ["/lib64/ld-linux-x86-64.so.2", "--library-path", str(tmp_path), str(program)]
    options = ["mode=load", f"model={tiny_bundle / 'model.onnx'}", f"library={host_library()}"]
    subprocess.run([*loader, *options], cwd=tmp_path, check=True)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["engine"] == "onnxruntime" and report["load_ns"] > 0
    failed = subprocess.run(
        [*loader, "mode=load", "library=none.so"], cwd=tmp_path, capture_output=True, text=True
    )
    assert failed.returncode == 1
    assert failed.stderr.startswith("runner: none.so")


def test_refuses_a_library_for_another_processor(adb_server: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    other = next(abi for abi in ("arm64-v8a", "x86_64") if abi != HOST_ABI)
    with pytest.raises(DeviceError, match=f"is for {HOST_ABI}, the phone runs {other}"):
        read_library(host_library(), other)
    text = tmp_path / "text.so"
    text.write_text("not a library")
    with pytest.raises(DeviceError, match="is no shared library"):
        read_library(text, other)
    with pytest.raises(DeviceError, match="cannot be read"):
        read_library(tmp_path / "none.so", other)
    with plugged_in(adb_server, tmp_path / "phone", properties={"ro.product.cpu.abi": "armeabi-v7a"}):
        plan = Plan((5,), runtime_lib=host_library())
        with pytest.raises(
            DeviceError, match="runs armeabi-v7a: the runner is built for arm64-v8a and x86_64"
        ):
            profile_on("android", tiny_bundle, plan)


def test_refuses_a_bundle_whose_lookups_are_for_another_processor(
    adb_server: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "custom"
    shutil.copytree(tiny_bundle, folder)
    library = folder / "lib" / "riscv64" / "libedgeemb_onnxruntime.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"")
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    manifest["files"][library.relative_to(folder).as_posix()] = asdict(file_entry(library))
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    with (
        plugged_in(adb_server, tmp_path / "phone", properties=HOST) as phone,
        pytest.raises(
            DeviceError, match=f"native lookups for riscv64, the phone runs {HOST_ABI}.*--ops builtin"
        ),
    ):
        profile_on("android", folder, Plan((5,), runtime_lib=host_library()))
    assert phone.left() == []


def test_says_what_a_bundle_of_another_runtime_needs(
    tiny_bundle: Path, tflite_bundle: Path, bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        DeviceError, match="needs ONNX Runtime on the phone: name its library with --runtime-lib"
    ):
        profile_on("android", tiny_bundle, QUICK)
    with pytest.raises(DeviceError, match="leave --runtime-lib out"):
        profile_on("android", bundle, Plan((5,), runtime_lib=host_library()))
    with pytest.raises(DeviceError, match="needs LiteRT on the phone: name its library with --runtime-lib"):
        profile_on("android", tflite_bundle, QUICK)
    folder = tmp_path / "pte"
    shutil.copytree(tiny_bundle, folder)
    text = (folder / MANIFEST).read_text("utf-8").replace('"runtime": "onnx"', '"runtime": "executorch"')
    (folder / MANIFEST).write_text(text, "utf-8")
    assert read_manifest(folder).runtime == "executorch"
    with pytest.raises(DeviceError, match="ExecuTorch has no C interface"):
        profile_on("android", folder, QUICK)


def test_says_what_to_do_without_a_phone(adb_server: Path, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="no phone is attached: switch on USB debugging"):
        profile_on("android", bundle, QUICK)
    command = [sys.executable, "-m", "edgeemb.cli", "profile", str(bundle), "--device", "android"]
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1 and failed.stderr.startswith("error: no phone is attached")
    with (
        plugged_in(adb_server, tmp_path / "phone") as phone,
        pytest.raises(DeviceError, match=f"no phone 'other' is attached: adb sees {phone.serial}"),
    ):
        profile_on("android:other", bundle, QUICK)


def test_says_what_to_install_without_adb(bundle: Path) -> None:
    code = (
        "import sys; sys.modules['adbutils'] = None\n"
        "from edgeemb.cli import main\n"
        f"main(['profile', {str(bundle)!r}, '--device', 'android'])"
    )
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr == "error: phones need the package adbutils: pip install 'edgeemb[android]'\n"


def test_asks_which_of_two_phones_to_use(adb_server: Path, bundle: Path, tmp_path: Path) -> None:
    with plugged_in(adb_server, tmp_path / "a") as first, plugged_in(adb_server, tmp_path / "b") as second:
        choices = " or ".join(sorted(f"--device android:{phone.serial}" for phone in (first, second)))
        with pytest.raises(DeviceError, match="2 phones are attached: choose one with ") as caught:
            profile_on("android", bundle, QUICK)
        assert " or ".join(sorted(str(caught.value).partition("with ")[2].split(" or "))) == choices
        assert adb.find_phone(second.serial).serial == second.serial


def test_asks_to_accept_the_key_on_a_phone_that_does_not_trust_the_computer(
    adb_server: Path, bundle: Path, tmp_path: Path
) -> None:
    with (
        plugged_in(adb_server, tmp_path / "phone", authorised=False) as phone,
        pytest.raises(
            DeviceError, match=f"{phone.serial} does not trust this computer yet: unlock it and accept"
        ),
    ):
        profile_on("android", bundle, QUICK)


FAILURES = {
    "full": ({"free_bytes": 4096}, "has no room for [0-9]+ bytes in /data/local/tmp: free some storage"),
    "noexec": ({"runs_programs": False}, "does not run programs in /data/local/tmp .*Permission denied"),
    "lost": ({"lost_after": 4096}, "was lost while files were sent to it: check the cable"),
}


@pytest.mark.parametrize("what", FAILURES)
def test_leaves_nothing_on_a_phone_that_is_full_refuses_to_run_or_was_away(
    what: str, adb_server: Path, bundle: Path, tmp_path: Path
) -> None:
    options, message = FAILURES[what]
    with plugged_in(adb_server, tmp_path / "phone", **options) as phone:
        with pytest.raises(DeviceError, match=message) as caught:
            profile_on("android", bundle, QUICK)
        assert "\n" not in str(caught.value)
        assert phone.left() == []


def test_names_what_it_could_not_remove_from_a_phone_that_stays_away(
    adb_server: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adb, "RETURN_S", 0.5)
    with plugged_in(adb_server, tmp_path / "phone", lost_after=4096, comes_back=False) as phone:
        with pytest.raises(DeviceError, match="was lost while files were sent to it") as caught:
            profile_on("android", bundle, QUICK)
        (left,) = phone.left()
        assert str(caught.value).endswith(f"adb -s {phone.serial} shell rm -rf /data/local/tmp/{left}")


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (CRASH, r"the runner crashed on 127.0.0.1:\d+: a bad address \(signal 11\)"),
        (HANG, r"the runner hung on 127.0.0.1:\d+: it was ended after 2 s"),
        (DEAF, r"127.0.0.1:\d+ did not answer within 5 s while the runner ran: it hangs"),
    ],
)
def test_ends_a_runner_that_crashes_or_hangs_and_leaves_nothing(
    length: int, message: str, adb_server: Path, broken: Path, tmp_path: Path
) -> None:
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        with pytest.raises(DeviceError, match=message):
            profile("android", broken, Plan((length,), runs=2, budget_s=1e-3), limit_s=2)
        assert phone.left() == []
        assert not running(phone)


def test_leaves_nothing_when_it_is_interrupted(adb_server: Path, broken: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgeemb.cli", "profile", str(broken), "--device", "android"]
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        process = subprocess.Popen(
            [*command, "--lengths", str(DEAF)], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        until = time.monotonic() + 120
        while not any("mode=memory" in line for line in phone.commands):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert errors == "interrupted: nothing was left behind\n"
        assert phone.left() == []
        assert not running(phone)


def running(phone: FakePhone) -> list[str]:
    """Command lines of programs that still run out of a phone's folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if re.search(rf"qemu-aarch64 .*{re.escape(str(phone.folder))}", line):
            found.append(line)
    return found
