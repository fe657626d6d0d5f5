"""Hostile programs in ExecuTorch with our ops, built with the sanitizers: each is refused, or gives the rows that it should."""

from __future__ import annotations

import ctypes
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from executorch.exir._serialize._program import serialize_pte_binary

from edgeemb.native.libraries import find_sources
from edgeemb.runtimes.executorch import build
from edgeemb.runtimes.executorch import runner as runner_module
from edgeemb.runtimes.executorch.runner import Program
from edgeemb.tables.logits import quantized_products
from tests.fixtures.hostile.executorch import MOST, hostile_programs, write_programs
from tests.fixtures.hostile.isolated import SANITIZE, run_cases, sanitizer_environment
from tests.fixtures.hostile.tflite import DIM, IDS, ROWS, SPECS, table_of

#: Changes that leave a program's meaning as it is: room for more or fewer rows, and fields that the op does not need.
HARMLESS = re.compile(
    r"whole|args-more|(ids|in\d|out)-layout|ids-(type-INT|nowhere|axis\d-\d)|in\d-bound|in\d-shape-flat|out-axis\d-\d+"
)
#: Other tables of the same form: constants in other places of the file, and the length of the longest token, which the kernel does not read.
OTHER_VALUES = re.compile(r"in\d-(buffer\d|axis\d-\d+)|in6-number.*|args-6-is-5|out-constant")


@pytest.fixture(scope="session")
def runner(cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The runner and the ops with the sanitizers."""

    def make(folder: Path) -> None:
        folder.mkdir()
        source = find_sources() / "runtimes" / "executorch"
        build.compile_runner(source, build.find_executorch(), folder / build.LIBRARY, ["c++"], SANITIZE)

    return cached("executorch-sanitized", make) / build.LIBRARY


@pytest.mark.parametrize("op", SPECS)
def test_a_hostile_program_is_refused_and_crashes_nothing(op: str, runner: Path, tmp_path: Path) -> None:
    cases = write_programs(op, tmp_path)
    command = [sys.executable, "-m", "tests.fixtures.hostile.run_executorch", json.dumps(IDS)]
    found = run_cases(
        command, cases, tmp_path, {**sanitizer_environment(), build.LIBRARY_VARIABLE: str(runner)}
    )
    died = {name: answer for name, answer in found.items() if "died" in answer}
    assert not died, json.dumps(died, indent=1)[:5000]
    table = table_of(op)
    ran = {name: np.array(answer["rows"], np.float32) for name, answer in found.items() if "rows" in answer}
    for name, rows in ran.items():
        assert HARMLESS.fullmatch(name) or OTHER_VALUES.fullmatch(name), f"{name} is taken"
        if HARMLESS.fullmatch(name):
            count = rows.size // DIM
            np.testing.assert_array_equal(rows.reshape(count, DIM), table.rows(np.resize(IDS, count)), name)
    assert "whole" in ran and len(found) - len(ran) > 200


def test_a_hostile_head_is_refused_and_crashes_nothing(runner: Path, tmp_path: Path) -> None:
    cases = write_programs("logits", tmp_path)
    command = [sys.executable, "-m", "tests.fixtures.hostile.run_executorch", json.dumps(IDS)]
    found = run_cases(
        command, cases, tmp_path, {**sanitizer_environment(), build.LIBRARY_VARIABLE: str(runner)}
    )
    died = {name: answer for name, answer in found.items() if "died" in answer}
    assert not died, json.dumps(died, indent=1)[:5000]
    ran = {name: np.array(answer["rows"], np.float32) for name, answer in found.items() if "rows" in answer}
    taken = {name for name in ran if not (HARMLESS.fullmatch(name) or OTHER_VALUES.fullmatch(name))}
    # Vectors may come from the constants, too.
    assert taken == {"ids-constant"}
    arrays = table_of("logits").arrays
    vectors = np.resize(np.array(IDS, np.float32), (MOST, DIM))
    wanted = quantized_products(vectors, arrays["codes"], arrays["scales"], 4, 8)
    np.testing.assert_array_equal(ran["whole"].reshape(MOST, ROWS), wanted)
    assert len(found) - len(ran) > 200


@pytest.mark.parametrize("field", ["rank", "type", "axis", "data"])
def test_an_input_of_another_form_is_an_error_and_no_exception(field: str, tmp_path: Path) -> None:
    path = tmp_path / "whole.pte"
    path.write_bytes(bytes(serialize_pte_binary(next(iter(hostile_programs("quantized")))[1])))
    program = Program(path, threads=1)
    for wrong in (-1, 17, 2**31 - 1, -(2**31)):
        tensor = runner_module._Tensor()
        tensor.type, tensor.rank, tensor.data = 4, 2, np.zeros(100, np.int64).ctypes.data
        tensor.dims[:2] = 1, 6
        if field == "data":
            tensor.data = None
        elif field == "axis":
            tensor.dims[1] = wrong
        else:
            setattr(tensor, field, wrong)
        message = ctypes.create_string_buffer(200)
        library, handle = program._library, program._handle
        assert library.edgeemb_executorch_run(handle, ctypes.byref(tensor), 1, message, 200) != 0
        assert b"input 0 has another type or rank" in message.value
    assert len(program.run([np.array([IDS])])) == 1
    program.close()
