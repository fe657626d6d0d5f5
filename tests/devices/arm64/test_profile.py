"""Emulated phone CPUs: counts that repeat, the program's own memory, the host's results, and every way in which setting up can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeemb.cache import cache_folder, made_once
from edgeemb.devices import devices, find_device, profile_on
from edgeemb.devices.arm64.marks import between
from edgeemb.devices.arm64.memory import guest_memory
from edgeemb.devices.arm64.native import c_compiler
from edgeemb.devices.arm64.phone import phones
from edgeemb.devices.arm64.python import guest
from edgeemb.devices.arm64.qemu import machine
from edgeemb.devices.arm64.system import site
from edgeemb.devices.host.process import Launcher, Setting, Worker
from edgeemb.devices.measurement import Report
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError, NativeError, SpecError
from edgeemb.native.compilers import host_compiler
from edgeemb.native.libraries import find_sources
from edgeemb.runtimes.registry import RUNTIMES
from tests.fixtures.requirements import requires_program
from tests.places import ROOT, TESTS

QEMU = requires_program("qemu-aarch64", "qemu-user")
HERE = TESTS / "programs" / "arm64"
PLAN = ProfilePlan(lengths=(8,), allow_code=True)


@pytest.fixture(scope="module", autouse=True)
def cache() -> Iterator[None]:
    """The system and the wheels are fetched once, into the build folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEEMB_CACHE", str(ROOT / "build" / "arm64"))
        yield


def value(report: Report, name: str, length: int | None = None) -> float:
    found = report.find(name, length)
    assert found is not None and found.value is not None
    return found.value


@QEMU
def test_counts_the_instructions_of_onnx_runtime(tiny_bundle: Path) -> None:
    first = profile_on("arm64-a76", tiny_bundle, PLAN)
    assert first.kind == "emulated"
    assert (first.bundle.ops, first.bundle.kernel) == ("custom", "neon")
    assert 50_000 < value(first, "inference_instructions", 8) < 5_000_000
    assert value(first, "steady_anonymous_bytes") > 0
    time = first.find("p50_ms", 8, 1)
    assert time is not None and "does not have the phone's clock" in time.reason
    assert any(
        note.startswith("Golden sentences against the host: cosine 1.000000") for note in first.notes
    ) or any("to the bit" in note for note in first.notes)


@QEMU
@pytest.mark.slow
def test_counts_the_same_in_every_process_up_to_what_allocators_vary(tiny_bundle: Path) -> None:
    counts = [
        value(profile_on("arm64-a76", tiny_bundle, PLAN), "inference_instructions", 8) for _ in range(2)
    ]
    # From process to process, allocators have taken 5,000 to 6,000 instructions more or fewer.
    assert counts[0] == pytest.approx(counts[1], abs=6_000)


@QEMU
def test_gives_the_rows_of_tokens_to_the_bit_as_the_host(labellers: dict[str, Path]) -> None:
    report = profile_on("arm64-a53", labellers["ios"], PLAN)
    assert "3 of 3 golden sentences gave the host's result to the bit." in report.notes


@QEMU
@requires_program("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross")
def test_memory_is_that_of_the_same_program_on_this_machine(tmp_path: Path) -> None:
    totals = []
    with machine(phones()["arm64-a76"], None) as emulated:
        for name, compiler, runner in (
            ("here", [*host_compiler(), "-static"], []),
            ("there", ["aarch64-linux-gnu-gcc", "-static"], emulated.command()),
        ):
            folder = tmp_path / name
            folder.mkdir()
            subprocess.run(
                [*compiler, "-O1", str(HERE / "memory.c"), "-o", str(folder / "program")], check=True
            )
            subprocess.run([*runner, str(folder / "program")], cwd=folder, check=True)
            found = guest_memory((folder / "maps").read_text(), (folder / "smaps").read_text())
            totals.append(found.rss_bytes or 0)
    here, there = totals
    assert abs(there - here) < 0.02 * here


@QEMU
def test_an_instruction_that_the_cpu_lacks_is_said_to_be_one(tmp_path: Path) -> None:
    program = tmp_path / "program"
    subprocess.run([*c_compiler(static=True), str(HERE / "dot.c"), "-o", str(program)], check=True)
    setting, phone = Setting(str(tmp_path)), phones()["arm64-a53"]
    with machine(phone, None) as emulated:
        launcher = Launcher((*emulated.command(), str(program)), dict(os.environ), phone.deaths())
        with (
            Worker(setting, launcher=launcher) as worker,
            pytest.raises(DeviceError, match=r"emulated Cortex-A53 does not have \(SIGILL\)"),
        ):
            worker.ask("open")
    with machine(phones()["arm64-a76"], None) as emulated:
        subprocess.run([*emulated.command(), str(program)], check=True)


def test_a_missing_emulator_is_named_with_its_package(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceError, match=r"apt-get install qemu-user; for a C export .* unicorn is enough"):
        profile_on("arm64-a76", tiny_bundle, PLAN)
    with pytest.raises(DeviceError, match=r'unicorn runs C exports only: .* runtime="c"'):
        profile_on("arm64-a76:unicorn", tiny_bundle, PLAN)
    with pytest.raises(SpecError, match="'bochs' is not known: use arm64-a76:qemu or arm64-a76:unicorn"):
        profile_on("arm64-a76:bochs", tiny_bundle, PLAN)


@QEMU
def test_a_missing_apt_is_named_and_nothing_is_left_in_the_cache(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    emulator = shutil.which("qemu-aarch64")
    assert emulator is not None
    (programs / "qemu-aarch64").symlink_to(emulator)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("EDGEEMB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DeviceError, match=r"apt-get is not installed, and the system .* Debian packages"):
        profile_on("arm64-a76", tiny_bundle, PLAN)
    assert [path.name for path in (tmp_path / "cache" / "arm64").iterdir() if path.is_dir()] == []


def test_a_package_that_pip_finds_no_wheel_of_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEEMB_CACHE", str(tmp_path))
    # pip sees neither an index nor a folder of wheels, whatever this machine tells it elsewhere.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(
        DeviceError, match=r"pip says '.*numpy==.*': check the network; a package without a wheel"
    ):
        site(("numpy",), "3.11")
    with pytest.raises(DeviceError, match="pip install no-such-package"):
        site(("no-such-package",), "3.11")


@QEMU
def test_a_runtime_that_no_phone_has_is_refused() -> None:
    with (
        pytest.raises(DeviceError, match="TensorFlow Lite Micro does not exist for a phone"),
        guest(phones()["arm64-a76"], RUNTIMES["tflm"], "edgeemb.devices.arm64.guest"),
    ):
        raise AssertionError


def test_lists_every_phone_as_a_device_and_takes_a_new_one_from_a_file_alone(tmp_path: Path) -> None:
    listed = {device.name: device.kind for device in devices()}
    assert {"arm64-a53", "arm64-a72", "arm64-a76"} <= set(listed)
    assert find_device("arm64-a76").kind == "emulated"
    with pytest.raises(SpecError, match=r"device 'arm64-z80' is not known: did you mean arm64-a"):
        find_device("arm64-z80")
    text = (find_sources() / "devices" / "phones" / "arm64-a76.toml").read_text("utf-8")
    (tmp_path / "new.toml").write_text(text.replace("0xd0b", "0xd41"), "utf-8")
    assert "CPU part\t: 0xd41" in phones(tmp_path)["new"].cpuinfo
    (tmp_path / "broken.toml").write_text("summary = 'x'", "utf-8")
    with pytest.raises(DeviceError, match=r"broken\.toml does not describe a phone's CPU"):
        phones(tmp_path)


def test_instructions_between_marks_are_without_the_cost_of_marking() -> None:
    assert between([100, 110, 1120, 1130, 2140]) == [1000, 1000]


def test_memory_counts_the_mappings_of_the_program_alone() -> None:
    maps = "1000-3000 rw-p 00000000 00:00 0\n8000-9000 r--p 00000000 00:00 0 /lib/a.so\n"
    size = "Rss:                   4 kB\nAnonymous:             {} kB\n"
    smaps = "".join(
        f"{bounds} rw-p 00000000 00:00 0\n{size.format(anonymous)}"
        for bounds, anonymous in (("1000-2000", 4), ("2000-3000", 4), ("5000-7000", 4), ("8000-9000", 0))
    )
    reading = guest_memory(maps, smaps)
    assert (reading.anonymous_bytes, reading.file_bytes) == (8192, 4096)
    with pytest.raises(DeviceError, match="cannot be distinguished from the emulator's"):
        guest_memory("", smaps)


def test_what_is_made_once_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEEMB_CACHE", str(tmp_path))

    def half(folder: Path) -> None:
        (folder / "one").touch()
        raise NativeError("no compiler")

    with pytest.raises(NativeError):
        made_once("a/b", half, NativeError)
    assert not (cache_folder() / "a" / "b").exists()
    calls: list[Path] = []
    whole: Callable[[Path], object] = calls.append
    assert (
        made_once("a/b", whole, NativeError) == made_once("a/b", whole, NativeError) == tmp_path / "a" / "b"
    )
    assert len(calls) == 1
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEEMB_CACHE", str(tmp_path / "file"))
    with pytest.raises(NativeError, match="set EDGEEMB_CACHE to a folder that can be written"):
        made_once("a/b", whole, NativeError)
