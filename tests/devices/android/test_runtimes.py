"""Phones on adb: bundles that need a runtime's shared library, and what is refused before anything is sent."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ai_edge_litert
import onnxruntime
import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

import edgeemb
from edgeemb.bundle.manifest import MANIFEST
from edgeemb.bundle.reading import file_entry
from edgeemb.devices import profile_on
from edgeemb.devices.android.runner import Library, build_dynamic, read_library
from edgeemb.devices.arm64 import system as arm64_system
from edgeemb.devices.arm64.phone import phones
from edgeemb.devices.arm64.qemu import machine
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError
from edgeemb.models.torch.model import Model
from edgeemb.runtimes.registry import RUNTIMES
from tests.fixtures.adb.cases import HOST, HOST_ABI, QUICK, host_library, plugged_in, value
from tests.fixtures.requirements import requires_program

pytestmark = requires_program("qemu-aarch64", "qemu-user")


@pytest.fixture(scope="module")
def tflite_bundle(tiny: Model, cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The tiny encoder for LiteRT, with standard ops."""
    options: dict[str, Any] = {"runtime": "tflite", "ops": "builtin", "body": "fp32", "lengths": (40,)}
    return cached("phone-tflite", lambda path: edgeemb.export(tiny, path, table="int4", **options))


def test_runs_an_onnx_bundle_in_the_runtime_that_is_given(
    adb_server: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    plan = ProfilePlan((5,), (1,), 2, "builtin", budget_s=0.01, runtime_lib=host_library(), allow_code=True)
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
    plan = ProfilePlan((5, 40), (1,), 2, budget_s=0.01, runtime_lib=library, allow_code=True)
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
    plan = ProfilePlan((5,), (1,), 2, "builtin", budget_s=0.01, runtime_lib=library, allow_code=True)
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


@pytest.mark.parametrize(
    "runtime",
    [
        name
        for name, runtime in RUNTIMES.items()
        if runtime.phone and runtime.phone.runner and runtime.phone.library
    ],
)
def test_links_for_android_without_its_ndk(runtime: str, tmp_path: Path) -> None:
    place = build_dynamic(Library(tmp_path / "lib.so", "arm64-v8a", "bionic"), tmp_path, RUNTIMES[runtime])
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
    program = build_dynamic(
        Library(tmp_path / "libonnxruntime.so", "x86_64", "bionic"), tmp_path, RUNTIMES["onnx"]
    )
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
    with pytest.raises(DeviceError, match="is not a shared library"):
        read_library(text, other)
    with pytest.raises(DeviceError, match="cannot be read"):
        read_library(tmp_path / "none.so", other)
    with plugged_in(adb_server, tmp_path / "phone", properties={"ro.product.cpu.abi": "armeabi-v7a"}):
        plan = ProfilePlan((5,), runtime_lib=host_library(), allow_code=True)
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
            DeviceError, match=f'native lookups for riscv64, the phone runs {HOST_ABI}.*ops="builtin"'
        ),
    ):
        profile_on("android", folder, ProfilePlan((5,), runtime_lib=host_library(), allow_code=True))
    assert phone.left() == []


def test_says_what_a_bundle_of_another_runtime_needs(
    tiny_bundle: Path, tflite_bundle: Path, phone_bundle: Path
) -> None:
    with pytest.raises(
        DeviceError, match="needs ONNX Runtime on the phone: name its library with `runtime_lib`"
    ):
        profile_on("android", tiny_bundle, QUICK)
    with pytest.raises(DeviceError, match="leave `runtime_lib` out"):
        profile_on("android", phone_bundle, ProfilePlan((5,), runtime_lib=host_library(), allow_code=True))
    with pytest.raises(DeviceError, match="needs LiteRT on the phone: name its library with `runtime_lib`"):
        profile_on("android", tflite_bundle, QUICK)
