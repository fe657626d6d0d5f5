"""The lookup kernels on simulated microcontrollers, and firmware from either toolchain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgeemb
from edgeemb.devices.cortex_m import qemu as cortex_m_qemu
from edgeemb.devices.cortex_m.board import boards, find_board
from edgeemb.devices.cortex_m.firmware import build
from edgeemb.devices.cortex_m.profile import choose_engine, simulate
from edgeemb.native.libraries import find_sources
from tests.fixtures.models import save_plain
from tests.fixtures.requirements import requires_program

QEMU = requires_program("qemu-system-arm", "qemu-system-arm")
GCC = requires_program("arm-none-eabi-gcc", "gcc-arm-none-eabi")
LAYERS = 2
TEXTS = ("the cat sat on the mat", "a cat", "the cats and a mat ran away", "it sat")
#: What devices/firmware/lookup.c measures, serial and best in turn, after its comparisons.
MEASURED = ("8 bits", "4 bits", "2 bits", "1 bit", "codebooks of 4", "codebooks of 16")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder as C sources."""
    folder = tmp_path_factory.mktemp("lookup")
    save_plain(folder / "tiny", hidden_size=32, num_hidden_layers=LAYERS)
    tables = ["word=pq:m=8", "position=int4:block=16"]
    return edgeemb.export(str(folder / "tiny"), folder / "bundle", target="cortex-m4", table=tables)


def _ratios(board: str, toolchain: str, bundle: Path, folder: Path) -> dict[str, float]:
    """Run the comparisons; how many times the instructions of the best kernel the serial one takes."""
    main = find_sources() / "devices" / "firmware" / "lookup.c"
    firmware = build(bundle, "tiny", find_board(board), folder, main=main, toolchain=toolchain)
    stages = 1 + 2 * len(MEASURED)
    run = cortex_m_qemu.run(firmware, find_board(board), [[1]], 2, stages, folder).inferences[0]
    compared, different = run.output.tolist()
    assert compared > 100_000
    assert different == 0
    counts = [part.instructions for part in run.parts[1:]]
    return {
        name: serial / best for name, serial, best in zip(MEASURED, counts[::2], counts[1::2], strict=True)
    }


@QEMU
def test_gives_the_serial_bits_with_helium_in_less_than_half_the_instructions(
    bundle: Path, tmp_path: Path
) -> None:
    ratios = _ratios("mps3-an547", "zig", bundle, tmp_path)
    assert min(ratios.values()) > 2
    assert ratios["codebooks of 4"] > 4


@QEMU
@GCC
def test_gives_the_serial_bits_with_helium_as_gcc_builds_it(bundle: Path, tmp_path: Path) -> None:
    ratios = _ratios("mps3-an547", "gcc", bundle, tmp_path)
    assert min(ratios[name] for name in MEASURED[:4]) > 2


@QEMU
@GCC
@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
def test_gives_the_bits_of_the_host_on_every_board_from_either_toolchain(
    toolchain: str, bundle: Path, tmp_path: Path
) -> None:
    with edgeemb.open(bundle, allow_code=True) as session:
        ids = [session.tokenize([text])[0][0].tolist() for text in TEXTS]
        host = session.encode(TEXTS)
    for name in boards():
        place = tmp_path / name
        place.mkdir()
        firmware = build(bundle, "tiny", find_board(name), place, toolchain=toolchain)
        run = simulate(
            choose_engine(find_board(name)), firmware, find_board(name), ids, host.shape[1], LAYERS, place
        )
        found = np.stack([inference.output for inference in run.inferences])
        assert found.tobytes() == host.tobytes(), name
