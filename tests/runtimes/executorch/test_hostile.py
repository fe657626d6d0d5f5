"""Hostile programs in ExecuTorch with our ops, built with the sanitizers: each is refused, or gives the rows that it should."""

from __future__ import annotations

import ctypes
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from executorch.exir._serialize._program import serialize_pte_binary
from numpy.typing import NDArray

from edgeemb.native.libraries import find_sources
from edgeemb.runtimes.executorch import build
from edgeemb.runtimes.executorch import runner as runner_module
from edgeemb.runtimes.executorch.runner import Program
from edgeemb.tables.logits import codebook_products, quantized_products
from edgeemb.tables.shortlist import fit_shortlist, shortlist_products
from edgeemb.tables.top import best_of
from tests.fixtures.hostile.executorch import CANDIDATES, TOP, TOPS, bias_of, hostile_programs, write_programs
from tests.fixtures.hostile.isolated import SANITIZE, run_cases, sanitizer_environment
from tests.fixtures.hostile.tflite import DIM, GRIDS, HEADS, IDS, ROWS, SPECS, table_of
from tests.fixtures.models.linear import defined

#: Changes that leave a program's meaning as it is: room for more or fewer rows, and fields that the op does not need.
HARMLESS = re.compile(
    r"whole|args-more|(ids|in\d|out)-layout|ids-(type-INT|nowhere|axis\d-\d)|in\d-bound|in\d-shape-flat|out-axis\d-\d+"
)
#: Other tables of the same form: constants in other places of the file, and the length of the longest token, which the kernel does not read.
OTHER_VALUES = re.compile(r"in\d-(buffer\d|axis\d-\d+)|in6-number.*|args-6-is-5|out-constant")
#: The other variants of products take long to compile, and run in the tests of hostile LiteRT models.
SERIAL = "-DEEP_VARIANT=eep_kernels_serial"
#: Other best tokens: scales that go on in the next constants, vectors among the constants, more or fewer of the best, room for more tokens; and what
#: the list of the results says, which the op does not read.
OTHER_TOPS = {
    "top": re.compile(
        r"in2-type-FLOAT|ids-constant|in8-number\d|args-8-is-\d|tokens-(layout|axis\d-\d)|in11-.*"
    ),
    "shortlist": re.compile(
        r"in2-type-FLOAT|ids-constant|in1[12]-number\d|args-1[12]-is-\d+|tokens-(layout|axis\d-\d)|in15-.*"
    ),
}
#: Products that are others, and complete: arrays or numbers in one another's place, fewer outputs, another activation, rows among the constants.
OTHER_PRODUCTS = {
    "linear8": {"in7-number0", "in7-number3", "ids-constant", "args-2-is-4", "args-4-is-2"},
    "linear4": {
        "in5-number3",
        "in5-number5",
        "args-2-is-3",
        "args-3-is-2",
        "args-5-is-7",
        "args-7-is-5",
    },
}


@pytest.fixture(scope="session")
def runner(cached: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The runner and the ops with the sanitizers."""

    def make(folder: Path) -> None:
        folder.mkdir()
        source = find_sources() / "runtimes" / "executorch"
        build.compile_runner(
            source, build.find_executorch(), folder / build.LIBRARY, ["c++"], [*SANITIZE, SERIAL]
        )

    return cached("executorch-sanitized", make) / build.LIBRARY


def rows_of_cases(op: str, runner: Path, folder: Path) -> dict[str, NDArray[np.float32]]:
    """What the programs of an op that are not refused give. None may end its process, and most are refused."""
    cases = write_programs(op, folder)
    command = [sys.executable, "-m", "tests.fixtures.hostile.run_executorch", json.dumps(IDS)]
    found = run_cases(
        command, cases, folder, {**sanitizer_environment(), build.LIBRARY_VARIABLE: str(runner)}
    )
    died = {name: answer for name, answer in found.items() if "died" in answer}
    assert not died, json.dumps(died, indent=1)[:5000]
    ran = {name: np.array(answer["rows"], np.float32) for name, answer in found.items() if "rows" in answer}
    assert "whole" in ran and len(found) - len(ran) > 200
    return ran


def surprises(ran: Iterable[str]) -> set[str]:
    """Cases that are taken, and neither harmless nor another table."""
    return {name for name in ran if not (HARMLESS.fullmatch(name) or OTHER_VALUES.fullmatch(name))}


@pytest.mark.parametrize("op", SPECS)
def test_a_hostile_program_is_refused_and_crashes_nothing(op: str, runner: Path, tmp_path: Path) -> None:
    ran = rows_of_cases(op, runner, tmp_path)
    assert not surprises(ran)
    table = table_of(op)
    for name in filter(HARMLESS.fullmatch, ran):
        count = ran[name].size // DIM
        wanted = table.rows(np.resize(IDS, count))
        np.testing.assert_array_equal(ran[name].reshape(count, DIM), wanted, name)


@pytest.mark.parametrize("op", HEADS)
def test_a_hostile_head_is_refused_and_crashes_nothing(op: str, runner: Path, tmp_path: Path) -> None:
    ran = rows_of_cases(op, runner, tmp_path)
    # Vectors may come from the constants, too, where there are enough.
    assert surprises(ran) <= {"ids-constant"}
    arrays = table_of(op).arrays
    vectors = np.resize(np.array(IDS, np.float32), (len(IDS), DIM))
    if op == "codebook_logits":
        wanted = codebook_products(vectors, arrays["codes"], arrays["codebooks"], False)
    else:
        wanted = quantized_products(vectors, arrays["codes"], arrays["scales"], 4, 8)
    np.testing.assert_array_equal(ran["whole"].reshape(len(IDS), ROWS), wanted)


@pytest.mark.parametrize("op", TOPS)
def test_hostile_best_tokens_are_refused_and_crash_nothing(op: str, runner: Path, tmp_path: Path) -> None:
    ran = rows_of_cases(op, runner, tmp_path)
    assert not sorted(name for name in surprises(ran) if not OTHER_TOPS[op].fullmatch(name))
    arrays = table_of("logits").arrays
    vectors = np.resize(np.array(IDS, np.float32), (len(IDS), DIM))
    bias = np.linspace(-1, 1, ROWS, dtype=np.float32)
    wanted = best_of(quantized_products(vectors, arrays["codes"], arrays["scales"], 4, 8) + bias, TOP)[0]
    if op == "shortlist":
        listed = fit_shortlist(table_of("logits").reconstruct())
        packed = (arrays["codes"], arrays["scales"], (4, 8, 1))
        wanted = shortlist_products(vectors, *packed, listed, CANDIDATES, TOP, bias)[0]
    np.testing.assert_array_equal(ran["whole"].reshape(len(IDS), TOP), wanted)


@pytest.mark.parametrize("op", GRIDS)
def test_a_hostile_product_is_refused_and_crashes_nothing(op: str, runner: Path, tmp_path: Path) -> None:
    ran = rows_of_cases(op, runner, tmp_path)
    assert surprises(ran) <= OTHER_PRODUCTS[op]
    grid = GRIDS[op]
    outputs, inputs = grid.codes.shape
    for name in filter(HARMLESS.fullmatch, ran):
        count = ran[name].size // outputs
        rows = np.resize(np.array(IDS, np.float32), (count, inputs))
        wanted = defined(grid, bias_of(op), rows)
        np.testing.assert_array_equal(ran[name].reshape(count, outputs), wanted, name)


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
