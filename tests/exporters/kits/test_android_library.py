"""Native op libraries for Android: what is in the file, and that it loads and computes where no Android is at hand."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeemb.errors import NativeError
from edgeemb.exporters.kits.android.library import ABIS, NDK, TEXT_ABIS, build_library, text_library
from edgeemb.exporters.targets import find_target
from edgeemb.models.tflite.flatbuffer import pack_tflite
from edgeemb.runtimes.registry import RUNTIMES
from edgeemb.tables import Table, encode
from edgeemb.tables.program import QuantizedLookup
from tests.fixtures.models.lookups import lookup_model
from tests.fixtures.models.tflite_files import table_model
from tests.fixtures.requirements import requires_program
from tests.places import ROOT, TESTS

ZIG = (sys.executable, "-m", "ziglang")
CASES = [
    (runtime.name, abi)
    for runtime in RUNTIMES.values()
    if runtime.phone is not None and runtime.phone.lookups
    for abi in ABIS
]
MACHINES = {"arm64-v8a": "EM_AARCH64", "x86_64": "EM_X86_64", "armeabi-v7a": "EM_ARM"}
EXPORTED = {
    "onnx": {"RegisterCustomOps"},
    "tflite": {
        "tflite_plugin_create_delegate",
        "tflite_plugin_destroy_delegate",
        "Java_edgeemb_LookupDelegate_create",
        "Java_edgeemb_LookupDelegate_destroy",
    },
}
on_x86_64_linux = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="the library for x86_64 runs on Linux on x86-64 alone",
)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    folder = tmp_path_factory.mktemp("android")
    made = {}
    for runtime, abi in CASES:
        (folder / abi).mkdir(exist_ok=True)
        made[runtime, abi] = build_library(RUNTIMES[runtime], abi, folder / abi)
    return made


def facts(path: Path) -> dict[str, Any]:
    """What an ELF file says of itself."""
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        elf = ELFFile(file)
        tags = list(elf.get_section_by_name(".dynamic").iter_tags())
        symbols = list(elf.get_section_by_name(".dynsym").iter_symbols())
        segments = list(elf.iter_segments())
        return {
            "machine": elf["e_machine"],
            "needed": [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"],
            "soname": [tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"],
            "tags": {str(tag.entry.d_tag) for tag in tags},
            "sections": {section.name for section in elf.iter_sections()},
            "alignments": {int(part["p_align"]) for part in segments if part["p_type"] == "PT_LOAD"},
            "stack": [int(part["p_flags"]) for part in segments if part["p_type"] == "PT_GNU_STACK"],
            "wanted": {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF"},
            "guards": {guard for part in elf.iter_sections() if part.name == ".note.gnu.property" for guard in guards(part)},
            "exported": {symbol.name for symbol in symbols if symbol.name and symbol["st_shndx"] != "SHN_UNDEF"},
        }  # fmt: skip


def guards(section: Any) -> set[str]:
    """What the notes of an AArch64 file say that its branches are guarded by."""
    (words,) = (
        item["pr_data"]
        for note in section.iter_notes()
        for item in note["n_desc"]
        if item["pr_type"] in (0xC0000000, "GNU_PROPERTY_AARCH64_FEATURE_1_AND")
    )
    bits = (
        words if isinstance(words, int) else int.from_bytes(bytes.fromhex(words.replace(" ", "")), "little")
    )
    return {name for bit, name in ((1, "BTI"), (2, "PAC")) if bits & bit}


def hold(path: Path, runtime: str, abi: str) -> None:
    """The facts that Android and Google Play want of a library."""
    said = facts(path)
    assert said["machine"] == MACHINES[abi]
    assert set(said["needed"]) <= {"libc.so", "libm.so"}
    assert said["soname"] == [path.name] == [f"lib{RUNTIMES[runtime].library}.so"]
    assert all(alignment % 16384 == 0 for alignment in said["alignments"])
    assert said["alignments"] == {find_target("android").page_bytes}
    assert not said["sections"] & {".gnu.version", ".gnu.version_r", ".symtab", ".debug_info"}
    assert "DT_TEXTREL" not in said["tags"]
    assert said["stack"] == [6]  # readable and writable, not executable
    assert "__stack_chk_fail" in said["wanted"]
    if abi == "arm64-v8a":
        assert said["guards"] == {"BTI", "PAC"}
        assert any("BTI_PLT" in tag or tag == "1879048193" for tag in said["tags"])
    assert said["exported"] == EXPORTED[runtime]


@pytest.mark.parametrize(("runtime", "abi"), CASES)
def test_needs_libc_alone_and_is_aligned_and_stripped(
    libraries: dict[tuple[str, str], Path], runtime: str, abi: str
) -> None:
    hold(libraries[runtime, abi], runtime, abi)


@pytest.mark.parametrize("abi", TEXT_ABIS)
def test_the_tokenizer_is_there_for_every_platform_and_needs_libc_alone(abi: str) -> None:
    path = text_library(abi)
    said = facts(path)
    assert said["machine"] == MACHINES[abi]
    assert said["needed"] == ["libc.so"] and said["soname"] == [path.name]
    assert said["alignments"] == {find_target("android").page_bytes}
    assert said["stack"] == [6] and "DT_TEXTREL" not in said["tags"]
    assert all("mem" in name or "__stack_chk" in name for name in said["wanted"] - {""}), said["wanted"]
    natives = {name for name in said["exported"] if name.startswith("Java_")}
    assert natives == {
        f"Java_edgeemb_Tokenizer_native{name}" for name in ("Open", "Arena", "Encode", "Words")
    }
    assert text_library(abi) == path


@pytest.mark.parametrize(("runtime", "said"), [("onnx", "computed 6 rows"), ("tflite", "made a delegate")])
@requires_program("qemu-aarch64", "qemu-user")
def test_loads_and_computes_on_an_emulated_arm64(
    libraries: dict[tuple[str, str], Path], runtime: str, said: str, tmp_path: Path
) -> None:
    loader = tmp_path / "load"
    flags = ["-target", "aarch64-linux-musl", "-static", "-O1", "-std=c11", "-Wall", "-Wextra", "-Werror"]
    source = TESTS / "programs" / "android" / "load.c"
    headers = f"-I{ROOT / 'runtimes' / 'onnxruntime'}"
    subprocess.run([*ZIG, "cc", *flags, headers, str(source), "-o", str(loader)], check=True)
    # One without signed return addresses, and one that checks them.
    for processor in ("cortex-a53", "max"):
        command = ["qemu-aarch64", "-cpu", processor, str(loader), str(libraries[runtime, "arm64-v8a"])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.stdout.strip() == said
        assert done.returncode == 0


def small_table() -> Table:
    weight = np.random.default_rng(3).standard_normal((40, 32)).astype(np.float32)
    return encode(weight, "int4:block=16")


def run_elsewhere(script: str, *arguments: Path, libc: Path) -> subprocess.CompletedProcess[str]:
    """Run a script where this system's libc also bears Android's name for it."""
    found = next(
        line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libc.so.6" in line
    )
    (libc / "libc.so").symlink_to(found)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libc)}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


_ONNX = """
import sys, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
options.register_custom_ops_library(sys.argv[1])
session = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
numpy.save(sys.argv[3], session.run(["rows"], {"ids": numpy.array([[0, 39, 7]])})[0])
session.run(["rows"], {"ids": numpy.array([[40]])})
"""

_TFLITE = """
import sys, numpy
from ai_edge_litert.interpreter import Interpreter, load_delegate
interpreter = Interpreter(model_path=sys.argv[2], experimental_delegates=[load_delegate(sys.argv[1])])
run = interpreter.get_signature_runner()
numpy.save(sys.argv[3], run(ids=numpy.array([0, 39, 7], numpy.int32))["rows"])
run(ids=numpy.array([40, 0, 0], numpy.int32))
"""


@on_x86_64_linux
@pytest.mark.parametrize("runtime", list(dict.fromkeys(runtime for runtime, _ in CASES)))
def test_gives_the_rows_in_the_real_runtime(
    libraries: dict[tuple[str, str], Path], runtime: str, tmp_path: Path
) -> None:
    table = small_table()
    model, rows = tmp_path / "model", tmp_path / "rows.npy"
    if runtime == "onnx":
        node = table.program
        assert isinstance(node, QuantizedLookup)
        arrays = {name: table.arrays[name] for name in (node.codes, node.scales)}
        model.write_bytes(lookup_model("QuantizedLookup4", arrays, {"dim": 32, "block": 16}))
    else:
        model.write_bytes(pack_tflite(table_model(table, "tflite", custom=True, shape=(3,))))
    script = _ONNX if runtime == "onnx" else _TFLITE
    done = run_elsewhere(script, libraries[runtime, "x86_64"], model, rows, libc=tmp_path)
    assert "is outside [0, 40), the rows of the table" in done.stderr
    got = np.load(rows).reshape(3, 32)
    np.testing.assert_array_equal(got, table.rows(np.array([0, 39, 7])))


def stand_in_ndk(folder: Path) -> Path:
    """A folder laid out as an NDK, whose compiler and linker are ziglang's and write down that they were asked."""
    tools = folder / "toolchains" / "llvm" / "prebuilt" / "linux-x86_64" / "bin"
    tools.mkdir(parents=True)
    for name, command in (("clang", "cc -fno-sanitize=all"), ("ld.lld", "ld.lld")):
        lines = [
            "#!/bin/sh",
            f'echo "{name} $*" >> "{folder}/asked"',
            'for argument; do shift; case "$argument" in --target=*24) argument="${argument%24}";; esac; set -- "$@" "$argument"; done',
            f'exec "{sys.executable}" -m ziglang {command} "$@"',
        ]
        (tools / name).write_text("\n".join(lines) + "\n")
        (tools / name).chmod(0o755)
    return folder


def test_is_built_by_an_ndk_where_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NDK, str(stand_in_ndk(tmp_path)))
    path = build_library(RUNTIMES["onnx"], "arm64-v8a", tmp_path)
    hold(path, "onnx", "arm64-v8a")
    asked = (tmp_path / "asked").read_text()
    assert "clang --target=aarch64-linux-android24" in asked
    assert "max-page-size=16384" in asked


def test_refuses_a_folder_that_is_no_ndk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NDK, str(tmp_path))
    with pytest.raises(NativeError, match="holds no clang: set it to the folder of an Android NDK"):
        build_library(RUNTIMES["onnx"], "x86_64", tmp_path)


def test_says_what_to_install_where_there_is_no_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NDK, raising=False)
    monkeypatch.setitem(sys.modules, "ziglang", None)
    with pytest.raises(NativeError, match=r"pip install 'edgeemb\[android\]'"):
        build_library(RUNTIMES["onnx"], "x86_64", tmp_path)
