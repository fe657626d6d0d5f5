"""The fresh process that a host measurement runs in (``python -m edgeemb.devices.host.worker``).

It is given a `edgeemb.devices.host.process.Setting` as JSON, answers one JSON line for each JSON line on its
standard input, and ends when that closes. What libraries print goes to the standard error stream.

The questions: ``runtime`` imports the runtime, ``open`` opens the bundle, ``run`` times inferences, ``cold`` those before which the caches are swept,
``first_text`` times the tokens of the first text, ``text`` those of further ones and the way to their vectors,
``memory`` reads the memory, ``used`` reports the ops and the kernel in use, ``end_profile`` ends the
runtime's own profile.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import read_manifest
from edgeemb.devices.feeds import make_feeds
from edgeemb.devices.host.memory import read_memory, reset_peak
from edgeemb.devices.host.process import Setting
from edgeemb.devices.texts import first_text, text_of
from edgeemb.errors import DeviceError, EdgeembError
from edgeemb.native.kernels import variants
from edgeemb.runtimes import Session, open_bundle
from edgeemb.runtimes.registry import find_runtime

#: Bytes of a line of a cache, or fewer.
_LINE = 64


class Bench:
    """A bundle in this process, and what can be asked about it.

    :param setting: how it is opened.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._session: Session | None = None
        self._feeds: dict[int, dict[str, NDArray[Any]]] = {}
        self._texts: dict[int, str] = {}

    def answer(self, ask: str, **arguments: Any) -> dict[str, Any]:
        """Answer one question.

        :param ask: its name.
        :param arguments: its arguments.
        """
        match ask:
            case "runtime":
                return self._runtime()
            case "open":
                return self._open()
            case "run":
                return self._run(int(arguments["length"]), int(arguments["runs"]))
            case "cold":
                return self._cold(int(arguments["length"]), int(arguments["runs"]), int(arguments["sweep"]))
            case "first_text":
                return self._first_text()
            case "text":
                return self._text(int(arguments["length"]), int(arguments["runs"]))
            case "memory":
                return asdict(read_memory())
            case "used":
                return self._used()
            case "end_profile":
                return self._end_profile()
        raise DeviceError(f"the measuring process knows no '{ask}'")

    @property
    def session(self) -> Session:
        """The open bundle.

        :raises DeviceError: if it is not open.
        """
        if self._session is None:
            raise DeviceError("the bundle is not open")
        return self._session

    def feeds(self, length: int) -> dict[str, NDArray[Any]]:
        """Inputs of a sequence length, made once.

        :param length: tokens.
        """
        if length not in self._feeds:
            self._feeds[length] = make_feeds(self.session.manifest, length)
        return self._feeds[length]

    def _runtime(self) -> dict[str, Any]:
        """Import what any bundle of this runtime needs, so that memory from here on is the bundle's own."""
        runtime = find_runtime(read_manifest(Path(self._setting.bundle)).runtime)
        runtime.resolve(runtime.opens)
        gc.collect()
        return {"peak_is_reset": reset_peak()}

    def _open(self) -> dict[str, Any]:
        setting = self._setting
        profile = Path(setting.ops_profile) if setting.ops_profile else None
        begin = time.perf_counter()
        self._session = open_bundle(
            setting.bundle,
            ops=setting.ops,
            threads=setting.threads,
            verify_files=False,
            ops_profile=profile,
            allow_code=setting.allow_code,
        )
        return {"ms": 1000 * (time.perf_counter() - begin), "pid": os.getpid()}

    def _used(self) -> dict[str, Any]:
        """The lowering of the lookups in use, the native kernel that serves it here, and the package that runs the model."""
        engine = self.session.engine
        kernel = variants()[0] if engine.ops == "custom" else ""
        return {"ops": engine.ops, "kernel": kernel, "package": engine.package}

    def _end_profile(self) -> dict[str, str]:
        """The file of the runtime's own profile; empty if it writes none; and what the runtime says of it."""
        engine = self.session.engine
        return {"path": str(engine.end_profile() or ""), "note": engine.profile_note}

    def _run(self, length: int, runs: int) -> dict[str, Any]:
        feeds, run = self.feeds(length), self.session.run
        times = []
        gc.disable()
        for _ in range(runs):
            begin = time.perf_counter_ns()
            run(feeds)
            times.append((time.perf_counter_ns() - begin) / 1e6)
        gc.enable()
        return {"ms": times}

    def _cold(self, length: int, runs: int, sweep: int) -> dict[str, Any]:
        """Runs before each of which, as in an app that does other work, the caches hold something else."""
        feeds, run, other = self.feeds(length), self.session.run, np.zeros(sweep, np.uint8)
        times = []
        gc.disable()
        for _ in range(runs):
            other[::_LINE] += 1
            begin = time.perf_counter_ns()
            run(feeds)
            times.append((time.perf_counter_ns() - begin) / 1e6)
        gc.enable()
        return {"ms": times}

    def _first_text(self) -> dict[str, Any]:
        """The tokens of a text, before which the tokenizer was not open."""
        text = first_text()
        begin = time.perf_counter()
        self.session.tokens([text])
        return {"ms": 1000 * (time.perf_counter() - begin)}

    def _text(self, length: int, runs: int) -> dict[str, Any]:
        session = self.session
        if length not in self._texts:
            self._texts[length] = text_of(length, lambda text: session.tokens([text])[0])
        text, to_tokens, whole = [self._texts[length]], [], []
        gc.disable()
        for _ in range(runs):
            begin = time.perf_counter_ns()
            tokens = session.tokens(text)
            middle = time.perf_counter_ns()
            session.run(session.feeds(tokens))
            whole.append((time.perf_counter_ns() - begin) / 1e6)
            to_tokens.append((middle - begin) / 1e6)
        gc.enable()
        return {"tokens_ms": to_tokens, "ms": whole}


def serve(bench: Bench, questions: IO[str], answers: IO[str]) -> None:
    """Answer questions until there are no more.

    :param bench: what answers them.
    :param questions: one JSON object per line, ``ask`` and arguments.
    :param answers: one JSON object per line; an error is ``{"error": message}``.
    """
    for line in questions:
        try:
            answer = bench.answer(**json.loads(line))
        except (EdgeembError, MemoryError) as error:
            answer = {"error": str(error) or "out of memory"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def start(kind: type[Bench]) -> None:
    """Serve the parent that started this process.

    :param kind: class of what answers.
    """
    # Libraries print to file descriptor 1; the answers go where only this function writes.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        serve(kind(Setting(**json.loads(sys.argv[1]))), sys.stdin, answers)


if __name__ == "__main__":
    start(Bench)
