"""C exports on several threads, and the pool of threads that Python gives them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import edgeemb
from edgeemb.errors import SpecError
from edgeemb.native.compilers import host_compiler, run_compiler
from tests.fixtures.models import TEXTS
from tests.places import TESTS


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that runs loops on a pool, under the sanitizer for threads."""
    program = tmp_path_factory.mktemp("threads") / "loops"
    flags = ("-std=c99", "-D_GNU_SOURCE", "-O1", "-g", "-pthread", "-fsanitize=thread")
    warnings = ("-Wall", "-Wextra", "-Werror", "-pedantic")
    source = TESTS / "programs" / "threads" / "loops.c"
    run_compiler([*host_compiler(), *flags, *warnings, str(source), "-o", str(program)])
    return program


@pytest.mark.parametrize("threads", ["1", "2", "8"])
@pytest.mark.parametrize("callers", ["1", "3"])
def test_a_pool_takes_every_turn_of_a_loop_once(threads: str, callers: str, loops: Path) -> None:
    done = subprocess.run([loops, threads, callers], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "every turn was taken once\n"


def test_a_session_gives_the_bits_of_one_thread_on_several(c_bundle: Path) -> None:
    with edgeemb.open(c_bundle, allow_code=True) as session:
        alone = session.encode(TEXTS)
    for threads in (2, 5):
        with edgeemb.open(c_bundle, threads=threads, allow_code=True) as session:
            np.testing.assert_array_equal(session.encode(TEXTS), alone)
            np.testing.assert_array_equal(session.encode(TEXTS[:1]), alone[:1])


def test_an_export_for_boards_runs_on_one_thread(phone_bundle: Path) -> None:
    with pytest.raises(SpecError, match="static embeddings runs on one thread: leave `threads`"):
        edgeemb.open(phone_bundle, threads=2, allow_code=True)
