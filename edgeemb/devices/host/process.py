"""The fresh process that a host measurement runs in, seen from its parent: start it, ask it, end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from edgeemb.errors import DeviceError
from edgeemb.native.libraries import python_package
from edgeemb.scratch import Scratch

#: How long one question may take before the process counts as hung, in seconds.
LIMIT_S = 600.0


@dataclass(frozen=True)
class Setting:
    """How a bundle is opened in the fresh process.

    :param bundle: the bundle, as an absolute path.
    :param ops: ``auto``, ``builtin`` or ``custom``.
    :param threads: thread count.
    :param ops_profile: prefix of the runtime's own profile, or empty.
    :param allow_code: whether source code that the bundle holds may be compiled and run.
    """

    bundle: str
    ops: str = "auto"
    threads: int = 1
    ops_profile: str = ""
    allow_code: bool = False


@dataclass(frozen=True)
class Launcher:
    """How the fresh process is started.

    :param command: the program with its arguments; the setting is appended.
    :param environment: its environment.
    :param deaths: what its end by a signal means, by the signal's number.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    deaths: Mapping[int, str] = field(default_factory=dict)


def this_python() -> Launcher:
    """The interpreter that runs this."""
    package = str(python_package().parent)
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
    return Launcher((sys.executable, "-m", "edgeemb.devices.host.worker"), environment)


class Worker:
    """A fresh process with one bundle; it answers questions until it is closed.

    :param setting: what it opens, once it is asked to.
    :param launcher: how it is started; by default with the interpreter that runs this.
    :param limit_s: seconds that one question may take.
    """

    def __init__(
        self, setting: Setting, *, launcher: Launcher | None = None, limit_s: float = LIMIT_S
    ) -> None:
        launcher = launcher or this_python()
        self._deaths = launcher.deaths
        self._name = Path(setting.bundle).name
        self._limit_s = limit_s
        self._hung = False
        # A separate empty folder: nothing in the user's folder can shadow a module.
        self._folder = Scratch()
        self._errors = (self._folder.path / "stderr").open("w+b")
        self._process = subprocess.Popen(
            [*launcher.command, json.dumps(asdict(setting))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self._folder.path,
            env=launcher.environment,
            encoding="utf-8",
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, question: str, **arguments: Any) -> dict[str, Any]:
        """Put a question to the process and wait for its answer.

        :param question: one of the questions of `edgeemb.devices.host.worker`.
        :param arguments: its arguments, JSON values.
        :return: the answer.
        :raises DeviceError: if the process fails, ends or takes longer than the limit.
        """
        watchdog = threading.Timer(self._limit_s, self._kill_hung)
        watchdog.daemon = True
        watchdog.start()
        try:
            stdin, stdout = _pipes(self._process)
            stdin.write(json.dumps({"ask": question, **arguments}) + "\n")
            stdin.flush()
            line = stdout.readline()
        except OSError:
            line = ""
        finally:
            watchdog.cancel()
        if not line.endswith("\n"):
            raise DeviceError(self._death())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise DeviceError(f"measuring {self._name} failed: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process and remove its folder."""
        self._process.kill()
        # Closes the pipes as well; what is left unread does not matter.
        self._process.communicate()
        self._errors.close()
        self._folder.close()

    def _kill_hung(self) -> None:
        self._hung = True
        self._process.kill()

    def _death(self) -> str:
        self._process.kill()
        status = self._process.wait()
        if self._hung:
            return f"measuring {self._name} failed: the process did not answer within {self._limit_s:g} s"
        if -status in self._deaths:
            return f"measuring {self._name} failed: {self._deaths[-status]}"
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return f"measuring {self._name} failed: the process ended with {how}" + (
            f": {lines[-1].strip()}" if lines else ""
        )


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise DeviceError("the measuring process has no pipes")
    return process.stdin, process.stdout
