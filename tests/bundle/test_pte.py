"""Headers of ExecuTorch's files that do not fit their file."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from edgeemb.bundle.pte import check_program
from edgeemb.errors import BundleError


def program(
    root: int = 48, mark: bytes = b"ET12", length: int = 32, sizes: tuple[int, int, int] = (64, 64, 16)
) -> bytes:
    """The head of a program of 64 bytes, followed by segments of 16."""
    return struct.pack("<I4s4sIQQQ", root, mark, b"eh00", length, *sizes) + bytes(40)


def tables(begin: int = 64, size: int = 64, segments: tuple[int, int] = (128, 16)) -> bytes:
    """The head of a file of tensors."""
    return struct.pack("<I4s4sIQQQQ", 48, b"FT01", b"FH01", 40, begin, size, *segments) + bytes(96)


@pytest.mark.parametrize(("name", "content"), [("a.pte", program()), ("a.ptd", tables())])
def test_a_whole_file_is_accepted(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    check_program(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.pte", b"", "lacks the mark"),
        ("a.pte", program(mark=b"TFL3"), "lacks the mark"),
        ("a.pte", tables(), "lacks the mark"),
        ("a.pte", program(root=2**31), "its root lies outside"),
        ("a.pte", program()[:30], "its root lies outside"),
        ("a.pte", program(length=4), "extended header is cut off"),
        ("a.pte", program(length=2**32 - 1), "extended header is cut off"),
        ("a.pte", program(sizes=(2**63, 0, 0)), "its FlatBuffer is larger"),
        ("a.pte", program(sizes=(64, 64, 17)), "its segments lie outside"),
        ("a.pte", program(sizes=(64, 2**64 - 1, 2**64 - 1)), "its segments lie outside"),
        ("a.ptd", tables(begin=2**40), "its FlatBuffer is larger"),
        ("a.ptd", tables(segments=(128, 64)), "its segments lie outside"),
    ],
)
def test_a_header_that_does_not_fit_is_named(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} is not a whole file of ExecuTorch .*{says}"):
        check_program(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"a\.pte cannot be read \(No such file"):
        check_program(tmp_path / "a.pte")
