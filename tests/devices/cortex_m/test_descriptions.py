"""Boards as they are described: listed, read from files, and held against what a bundle needs before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeemb.devices import devices, profile_on
from edgeemb.devices.cortex_m.board import boards, find_board
from edgeemb.devices.cortex_m.firmware import check_budget
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError
from edgeemb.native.libraries import find_sources


def test_lists_every_board_as_a_device() -> None:
    listed = {device.name: device.kind for device in devices()}
    assert {"mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547"} <= set(listed)
    assert listed["mps2-an386"] == "simulated"


def test_takes_a_new_board_from_a_file_alone(tmp_path: Path) -> None:
    source = find_sources() / "devices" / "boards" / "mps2-an386.toml"
    text = source.read_text("utf-8").replace("262_144", "131_072")
    (tmp_path / "small.toml").write_text(text, "utf-8")
    assert boards(tmp_path)["small"].ram.bytes == 131072
    (tmp_path / "broken.toml").write_text("summary = 'x'", "utf-8")
    with pytest.raises(DeviceError, match=r"broken\.toml does not describe a board"):
        boards(tmp_path)


def test_refuses_what_a_board_cannot_hold_before_it_is_built() -> None:
    board = find_board("mps2-an386")
    with pytest.raises(
        DeviceError, match=r"1048576 bytes of flash, the bundle needs 2016384 .*: 967808 too many"
    ):
        check_budget(board, 2_000_000, 1000)
    with pytest.raises(
        DeviceError,
        match=r"262144 bytes of RAM, the bundle needs 308192 \(arena 300000, stack 8192\): 46048 too many",
    ):
        check_budget(board, 1000, 300_000)
    with pytest.raises(DeviceError, match="33554432 bytes of external memory"):
        check_budget(find_board("mps3-an547"), 40_000_000, 1000)


def test_refuses_a_bundle_of_another_runtime(tiny_bundle: Path) -> None:
    with pytest.raises(DeviceError, match="is a bundle for onnx, mps2-an386 takes C"):
        profile_on("mps2-an386", tiny_bundle, ProfilePlan(allow_code=True))
