"""Wheels for other platforms are built here, and need nothing that their platform's oldest systems lack."""

from __future__ import annotations

import importlib
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import lief
import pytest

from tests.places import ROOT

WHEELS = ROOT / ".ci" / "wheels"


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["manylinux2014_aarch64", "macosx_11_0_arm64", "win_amd64"])
def test_a_wheel_for_another_platform_is_built_and_audited(tag: str, tmp_path: Path) -> None:
    build = [sys.executable, WHEELS, tmp_path, tag]
    done = subprocess.run(build, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("MB, audited")
    (wheel,) = tmp_path.glob(f"edgeemb-*-py3-none-{tag}.whl")
    program = (
        f"import sys; sys.path.insert(0, {str(WHEELS)!r}); from audit import audit; from platforms import parts_of; from pathlib import Path; "
        "print(audit(Path(sys.argv[1]), parts_of('manylinux2014_x86_64')))"
    )
    other = subprocess.run([sys.executable, "-c", program, wheel], capture_output=True, text=True, check=True)
    assert "is for the processor" in other.stdout


def test_an_unknown_platform_lists_those_there_are(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, WHEELS, tmp_path, "beos"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "no platform beos: use manylinux2014_x86_64" in done.stderr


@pytest.mark.slow
def test_a_universal_wheel_holds_the_libraries_of_both_processors(tmp_path: Path) -> None:
    tags = ("macosx_11_0_x86_64", "macosx_11_0_arm64", "macosx_11_0_universal2")
    build = [sys.executable, WHEELS, tmp_path, *tags]
    done = subprocess.run(build, capture_output=True, text=True, check=True)
    assert done.stdout.count("MB, audited") == 3
    thin, other, both = (zipfile.ZipFile(next(tmp_path.glob(f"*-{tag}.whl"))) for tag in tags)
    assert sorted(both.namelist()) == sorted(thin.namelist())
    assert b"Tag: py3-none-macosx_11_0_universal2" in both.read(
        next(name for name in both.namelist() if name.endswith("/WHEEL"))
    )
    name = "edgeemb/native/lib/libedgeemb_kernels.dylib"
    parts = lief.MachO.parse(list(both.read(name)))
    assert parts is not None and len(parts) == 2
    library = both.read(name)
    for single, part in zip((thin, other), (0, 1), strict=True):
        start, size = struct.unpack_from(">2I", library, 8 + 20 * part + 8)
        assert library[start : start + size] == single.read(name)


def test_a_universal_library_is_one_header_over_whole_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(WHEELS))
    universal = importlib.import_module("universal")
    source = tmp_path / "one.c"
    source.write_text("int one(void);\nint one(void) { return 1; }\n")
    thin = []
    for processor in ("x86_64", "aarch64"):
        # An object has the header of a library, and needs no linker.
        out = tmp_path / f"{processor}.o"
        zig = [sys.executable, "-m", "ziglang", "cc", "-target", f"{processor}-macos.11.0"]
        subprocess.run([*zig, "-c", source, "-o", out], check=True)
        thin.append(out.read_bytes())
    fat = universal.join_libraries(thin)
    # The constants of mach-o/fat.h and mach/machine.h.
    assert struct.unpack_from(">2I", fat) == (0xCAFEBABE, 2)
    entries = [struct.unpack_from(">5I", fat, 8 + 20 * number) for number in range(2)]
    assert [entry[0] for entry in entries] == [0x01000007, 0x0100000C]
    assert all(entry[2] % (1 << entry[4]) == 0 and entry[4] == 14 for entry in entries)
    assert universal.slices(fat) == thin
    parsed = lief.MachO.parse(list(fat))
    assert parsed is not None
    assert [binary.header.cpu_type.name for binary in parsed] == ["X86_64", "ARM64"]
    with pytest.raises(ValueError, match="same processor"):
        universal.join_libraries([thin[0], thin[0]])
    with pytest.raises(ValueError, match="no 64-bit Mach-O"):
        universal.join_libraries([b"MZ", thin[0]])
