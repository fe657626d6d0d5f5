"""C exports on an emulated phone CPU, by each emulator: counts that repeat and agree, the host's bits, and programs that misbehave."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import edgeemb
from edgeemb.devices import profile_on
from edgeemb.devices.arm64 import unicorn
from edgeemb.devices.arm64.native import c_compiler
from edgeemb.devices.arm64.phone import phones
from edgeemb.devices.measurement import Report
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError
from edgeemb.models.torch.model import Model
from tests.fixtures.requirements import requires_program
from tests.places import TESTS

QEMU = requires_program("qemu-aarch64", "qemu-user")
EMULATORS = [pytest.param("qemu", marks=QEMU), "unicorn"]
HERE = TESTS / "programs" / "arm64"
PLAN = ProfilePlan(lengths=(8, 999), ops_profile=True, allow_code=True)


def value(report: Report, name: str, length: int | None = None) -> float:
    found = report.find(name, length)
    assert found is not None and found.value is not None
    return found.value


@pytest.fixture(scope="module")
def board_bundle(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("c") / "board"
    return edgeemb.export(tiny, out, target="cortex-m4", table="int4", lengths=(16,))


@pytest.fixture(scope="module")
def phone_bundle(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("c") / "phone"
    return edgeemb.export(
        tiny, out, target="linux-arm64", runtime="c", table="int4", body="int8", lengths=(16,)
    )


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("programs")

    def compiled(name: str) -> Path:
        out = folder / name
        if not out.exists():
            subprocess.run([*c_compiler(static=True), str(HERE / f"{name}.c"), "-o", str(out)], check=True)
        return out

    return compiled


@pytest.mark.parametrize("emulator", EMULATORS)
def test_runs_a_c_export_as_one_program_and_gives_the_bits_of_the_host(
    emulator: str, board_bundle: Path
) -> None:
    first, second = (profile_on(f"arm64-a53:{emulator}", board_bundle, PLAN) for _ in range(2))
    counts, again = (
        [item for item in report.measurements if item.unit == "instructions"] for report in (first, second)
    )
    assert counts == again and first.operators == second.operators
    assert f"emulated by {emulator}" in first.machine.notes[0].lower()
    assert 500 < value(first, "tokens_instructions", 8) < 100_000
    assert any("instructions a byte of these texts" in note for note in first.notes)
    assert "3 of 3 golden sentences gave the host's result to the bit." in first.notes
    assert first.operators[-1].unit == "instructions"
    assert {operator.name for operator in first.operators if operator.lookup} == {"lookup word"}
    refused = first.find("inference_instructions", 999)
    assert refused is not None and "at most 16 tokens" in refused.reason


@QEMU
def test_both_emulators_count_the_same_and_see_the_same_memory(board_bundle: Path) -> None:
    qemu, other = (profile_on(f"arm64-a53:{name}", board_bundle, PLAN) for name in ("qemu", "unicorn"))
    assert value(qemu, "tokens_instructions", 8) == value(other, "tokens_instructions", 8)
    # The first inference asks which instructions there are, in a list that QEMU makes longer.
    counts = [value(report, "inference_instructions", 8) for report in (qemu, other)]
    assert counts[0] == pytest.approx(counts[1], abs=100)
    for name in ("baseline_rss_bytes", "steady_anonymous_bytes", "steady_file_bytes"):
        assert value(qemu, name) == pytest.approx(value(other, name), abs=160_000), name


def test_the_kernels_of_a_phone_are_those_that_its_features_name(phone_bundle: Path) -> None:
    old, new = (profile_on(f"arm64-{core}:unicorn", phone_bundle, PLAN) for core in ("a53", "a76"))
    # The newer has dot products of int8.
    assert value(new, "inference_instructions", 8) < value(old, "inference_instructions", 8)
    assert "3 of 3 golden sentences gave the host's result to the bit." in new.notes


def test_takes_unicorn_where_qemu_is_missing(
    board_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    report = profile_on("arm64-a72", board_bundle, PLAN)
    assert report.machine.notes[0].startswith("emulated by unicorn ")
    time = report.find("p50_ms", 8, 1)
    assert time is not None and "does not have the phone's clock" in time.reason


def test_a_program_gets_files_of_its_folder_and_memory_up_to_a_bound(
    program: Callable[[str], Path], tmp_path: Path
) -> None:
    phone, folder = phones()["arm64-a76"], tmp_path / "own"
    folder.mkdir()
    assert unicorn.run(phone, program("system"), ("files",), folder).output == "11000"
    assert [path.name for path in folder.iterdir()] == ["own"]
    unicorn.run(phone, program("system"), ("memory",), folder)


@pytest.mark.parametrize(
    ("phone", "name", "argument", "message"),
    [
        ("arm64-a76", "system", "abort", r"system failed: the runtime gave up on .* \(SIGABRT\)"),
        ("arm64-a76", "system", "crash", r"crashed on the emulated Cortex-A76 \(SIGSEGV\)"),
        ("arm64-a76", "system", "hang", "did not end within 1000000 instructions"),
        ("arm64-a76", "system", "other", "the emulated system failed: no reason"),
        ("arm64-a53", "dot", "", r"emulated Cortex-A53 does not have \(SIGILL\)"),
    ],
)
def test_a_program_that_fails_is_said_to(
    phone: str,
    name: str,
    argument: str,
    message: str,
    program: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unicorn, "LIMIT", 1_000_000)
    with pytest.raises(DeviceError, match=message):
        unicorn.run(phones()[phone], program(name), (argument,), tmp_path)
