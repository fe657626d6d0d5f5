"""Finding and running C compilers."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from edgeemb.errors import NativeError

#: What every build of an export is compiled with, so that the results agree to the bit.
FLAGS = ("-std=c99", "-O3", "-ffp-contract=off", "-fno-math-errno")


_COMPILE_SECONDS = 300


def host_compiler() -> list[str]:
    """Command of a C compiler for this machine: ``cc``, or the one in the package ziglang.

    :raises NativeError: if there is neither.
    """
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise NativeError("no C compiler for the exported sources: pip install ziglang, or apt-get install gcc")


def zig(tool: str, purpose: str) -> list[str]:
    """Command of a tool of the package ziglang, whose compiler knows every processor.

    :param tool: such as ``cc``.
    :param purpose: what it is needed for, for the error.
    :raises NativeError: if the package is not installed.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise NativeError(f"{purpose} needs the compiler of the package ziglang: pip install ziglang")
    return [sys.executable, "-m", "ziglang", tool]


def run_compiler(command: list[str]) -> str:
    """Run a compiler or linker.

    :param command: the whole command.
    :return: what it wrote.
    :raises NativeError: if it fails; the message has its first error.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NativeError(f"{command[0]} cannot be run ({error}): check the compiler") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = next(
            (line for line in lines if "error" in line),
            lines[0] if lines else f"exit status {done.returncode}",
        )
        raise NativeError(f"{Path(command[0]).name} failed: {reason.strip()}")
    return done.stdout + done.stderr
