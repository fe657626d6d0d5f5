"""Memory that is needed no longer goes, and what it held is still there."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgeemb.memory import page_out

ROWS, DIM = 1 << 14, 256


def resident(path: Path) -> int:
    """Bytes of a file that this process has mapped and holds in memory."""
    found, own = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split()[0]:
            own = line.endswith(str(path))
        elif own and line.startswith("Rss:"):
            found += 1024 * int(line.split()[1])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_of_a_mapped_table_go_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "table"
    rows = np.random.default_rng(0).standard_normal((ROWS, DIM)).astype(np.float32)
    rows.tofile(path)
    mapped = np.memmap(path, np.float32, "c", shape=(ROWS, DIM))
    mapped[5] = 7  # what was changed stays changed
    assert mapped.sum() != 0 and resident(path) > 0.9 * mapped.nbytes
    page_out(mapped)
    assert resident(path) < 0.3 * mapped.nbytes  # huge pages go as a whole or not at all
    rows[5] = 7
    assert np.array_equal(mapped, rows)


def test_an_array_of_its_own_stays(tmp_path: Path) -> None:
    rows = np.arange(ROWS * DIM, dtype=np.float32).reshape(ROWS, DIM)
    page_out(rows)
    page_out(rows[:, ::2])
    assert rows[-1, -1] == ROWS * DIM - 1
