"""Phones on the Android Debug Bridge: find one, send files, run commands, and leave nothing behind.

The server is queried through adbutils, which includes the program ``adb``. Files are sent by that program itself, because it says why a phone
refuses one.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeemb.errors import DeviceError

#: Folder on a phone in which a shell may write and run programs, and what our folders in it begin with.
ROOT = "/data/local/tmp"
PREFIX = "edgeemb-"

#: Largest file that is taken from a phone.
MAX_PULL_BYTES = 64 * 2**20

#: Seconds for a command that only looks or removes, for the server to start, and for a lost phone to come back.
COMMAND_S = 30.0
START_S = 30.0
RETURN_S = 15.0

#: A transfer counts as hung after this many seconds, plus one for each of so many bytes.
PUSH_S = 60.0
PUSH_BYTES_S = 500_000

#: Folders of ours that are older than this many minutes are of a run whose phone was taken away.
_STALE_MINUTES = 24 * 60

_STATES = {
    "unauthorized": "does not trust this computer yet: unlock it and accept the key that it shows, then run it again",
    "authorizing": "does not trust this computer yet: unlock it and accept the key that it shows, then run it again",
    "offline": "does not answer: plug it in again, or restart it",
    "recovery": "is in recovery mode: start Android on it",
    "bootloader": "is in its boot loader: start Android on it",
    "no permissions": "may not be opened by this user: see 'adb devices', and the udev rules of your system",
}


@dataclass(frozen=True)
class Attached:
    """A phone as the server lists it.

    :param serial: its serial number, or an address.
    :param state: ``device`` where it is ready, else why it is not.
    :param model: its model, or empty.
    """

    serial: str
    state: str
    model: str

    @property
    def trouble(self) -> str:
        """Why it cannot be used; empty if it can."""
        return "" if self.state == "device" else _STATES.get(self.state, f"is in state {self.state}")


@dataclass(frozen=True)
class Answer:
    """What a command on a phone gave: exit status, standard output, standard error."""

    status: int
    output: str
    errors: str

    @property
    def words(self) -> str:
        """The last line that it wrote, for a message."""
        lines = (self.errors.strip() or self.output.strip()).splitlines()
        return clean(lines[-1]) if lines else f"exit status {self.status}"


class Phone:
    """A phone that is ready.

    :param client: adbutils' connection to the server.
    :param serial: its serial number.
    """

    def __init__(self, client: Any, serial: str) -> None:
        self.serial = serial
        self._client = client
        self._device = client.device(serial)

    def shell(self, command: str, limit_s: float = COMMAND_S, doing: str = "a command ran on it") -> Answer:
        """Run a command.

        :param command: a command line for the phone's shell.
        :param limit_s: seconds of silence after which it counts as hung.
        :param doing: what is going on, for messages.
        :raises DeviceError: if the phone is lost or does not answer in time.
        """
        with _one_line(self, doing, limit_s):
            result = self._device.shell2(command, timeout=limit_s, v2=True)
        return Answer(result.returncode, str(result.stdout or result.output), str(result.stderr))

    def push(self, files: Sequence[Path], folder: str) -> None:
        """Send files and folders.

        :param files: what to send; a folder is sent with everything in it.
        :param folder: an existing folder on the phone.
        :raises DeviceError: if the phone is lost, its storage is full, or it refuses.
        """
        size = sum(
            item.stat().st_size for file in files for item in [file, *file.rglob("*")] if item.is_file()
        )
        command = [_program(), "-s", self.serial, "push", *map(str, files), folder]
        limit_s = PUSH_S + size / PUSH_BYTES_S
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
        except subprocess.TimeoutExpired:
            raise DeviceError(
                f"{self.serial} did not take {size} bytes within {limit_s:.0f} s: check the cable"
            ) from None
        if done.returncode == 0:
            return
        said = f"{done.stdout}\n{done.stderr}"
        if "No space left" in said:
            raise DeviceError(
                f"{self.serial} has no room for {size} bytes in {ROOT}: free some storage on it"
            )
        if not self.is_ready():
            raise self.lost("files were sent to it")
        errors = [line for line in said.splitlines() if "error" in line]
        raise DeviceError(
            f"{self.serial} refused a file: {(errors or ['adb did not say why'])[0].removeprefix('adb: ').strip()}"
        )

    def pull(self, path: str) -> bytes:
        """The bytes of a file on the phone.

        :param path: the file.
        :raises DeviceError: if it cannot be read, or is larger than `MAX_PULL_BYTES`.
        """
        data = bytearray()
        with _one_line(self, "a file was read from it", COMMAND_S):
            for chunk in self._device.sync.iter_content(path):
                data += chunk
                if len(data) > MAX_PULL_BYTES:
                    raise DeviceError(
                        f"{path} on {self.serial} has more than {MAX_PULL_BYTES} bytes: is it ours?"
                    )
        return bytes(data)

    def is_ready(self) -> bool:
        """Whether the server can reach it."""
        return any(item.serial == self.serial and not item.trouble for item in _list(self._client))

    def lost(self, doing: str) -> DeviceError:
        """The error for a phone that went away.

        :param doing: what was going on, as in ``files were sent to it``.
        """
        return DeviceError(f"{self.serial} was lost while {doing}: check the cable, then run it again")


def clean(text: str) -> str:
    """Output of a phone, made safe to show: no control characters, and limited in length.

    :param text: a line of its.
    """
    return re.sub(r"[^\x20-\x7e]", "", text).strip()[:200]


def attached() -> list[Attached]:
    """Every phone that the adb server knows of; starts the server if none runs.

    :raises DeviceError: if there is no adb.
    """
    return _list(_connect())


def find_phone(serial: str = "") -> Phone:
    """The phone to use: the requested one, or else that of ``ANDROID_SERIAL``, or else the only one that is ready.

    :param serial: a serial number, or empty.
    :raises DeviceError: if there is none, more than one to choose from, or it is not ready.
    """
    client = _connect()
    phones = _list(client)
    serial = serial or os.environ.get("ANDROID_SERIAL", "")
    if not phones:
        raise DeviceError(
            "no phone is attached: switch on USB debugging in its developer options and plug it in, or start an emulator"
        )
    matching = [phone for phone in phones if serial in ("", phone.serial)]
    if not matching:
        raise DeviceError(
            f"no phone '{serial}' is attached: adb sees {', '.join(phone.serial for phone in phones)}"
        )
    ready = [phone for phone in matching if not phone.trouble]
    if len(ready) > 1:
        choices = " or ".join(f"--device android:{phone.serial}" for phone in ready)
        raise DeviceError(f"{len(ready)} phones are attached: choose one with {choices}")
    if not ready:
        raise DeviceError(f"{matching[0].serial} {matching[0].trouble}")
    return Phone(client, ready[0].serial)


@contextmanager
def workspace(phone: Phone) -> Iterator[str]:
    """A temporary folder on the phone, which is removed afterwards; a program still running in it is stopped.

    :param phone: the phone.
    :raises DeviceError: if it cannot be made; or, with the command that removes it, if it could not be removed.
    """
    folder = f"{ROOT}/{PREFIX}{secrets.token_hex(5)}"
    left = f"{folder} could not be removed from it: adb -s {phone.serial} shell rm -rf {folder}"
    try:
        stale = f"find {ROOT} -maxdepth 1 -name '{PREFIX}*' -mmin +{_STALE_MINUTES} -exec rm -rf {{}} + 2>/dev/null"
        made = phone.shell(f"mkdir {folder} && chmod 700 {folder}; status=$?; {stale}; exit $status")
        if made.status:
            raise DeviceError(f"{phone.serial} has no place to work in: {made.words}")
        yield folder
    except DeviceError as error:
        if not _remove(phone, folder):
            raise DeviceError(f"{error}; {left}") from None
        raise
    except BaseException:
        _remove(phone, folder)
        raise
    if not _remove(phone, folder):
        raise DeviceError(f"{phone.serial} was measured, but {left}")


def run_in(phone: Phone, folder: str, arguments: Sequence[str], limit_s: float) -> Answer:
    """Run a program that was sent into a folder, in that folder.

    :param phone: the phone.
    :param folder: a `workspace`.
    :param arguments: the program and its arguments.
    :param limit_s: seconds of silence after which it counts as hung.
    :raises DeviceError: if the phone is lost or the program hangs.
    """
    # The folder holds the process's number while it runs, so that whoever removes the folder can end the process.
    program = (
        f"{shlex.join(arguments)} </dev/null & echo $! >pid; wait $!; status=$?; rm -f pid; exit $status"
    )
    return phone.shell(f"cd {folder} && {{ {program}; }}", limit_s, "the runner ran")


def _remove(phone: Phone, folder: str) -> bool:
    """Remove one of our folders; wait for a phone that is disconnected."""
    command = (
        f"[ -f {folder}/pid ] && kill -9 $(cat {folder}/pid) 2>/dev/null; rm -rf {folder}; [ ! -e {folder} ]"
    )
    until = time.monotonic() + RETURN_S
    while True:
        try:
            if phone.shell(command).status == 0:
                return True
        except DeviceError:
            pass
        if time.monotonic() > until:
            return False
        time.sleep(0.5)


def _connect() -> Any:
    """adbutils' client, with a server that runs."""
    try:
        import adbutils
    except ModuleNotFoundError:
        raise DeviceError("phones need the package adbutils: pip install 'edgeemb[android]'") from None
    program = _program()
    try:
        # Started here, because adbutils would let it write to our standard output.
        done = subprocess.run(
            [program, "start-server"], capture_output=True, text=True, timeout=START_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{program} cannot be started ({error}): install adb again") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
        raise DeviceError(f"the adb server does not start: {said[-1].strip()}")
    return adbutils.AdbClient()


def _program() -> str:
    import adbutils

    try:
        return str(adbutils.adb_path())
    except adbutils.AdbError:
        raise DeviceError("no program adb was found: pip install 'edgeemb[android]' again") from None


def _list(client: Any) -> list[Attached]:
    import adbutils

    try:
        # `host:devices-l` cuts "no permissions (...)" at its blank.
        return [
            Attached(
                item.serial,
                "no permissions" if item.state == "no" else item.state,
                item.tags.get("model", ""),
            )
            for item in client.list(extended=True)
        ]
    except (adbutils.AdbError, OSError) as error:
        raise DeviceError(f"the adb server does not answer ({error}): run 'adb kill-server'") from None


@contextmanager
def _one_line(phone: Phone, doing: str, limit_s: float) -> Iterator[None]:
    """Turns anything that can go wrong on the way to the phone into a one-line error."""
    import adbutils

    try:
        yield
    except adbutils.AdbTimeout:
        raise DeviceError(
            f"{phone.serial} did not answer within {limit_s:g} s while {doing}: it hangs"
        ) from None
    except (adbutils.AdbError, EOFError, OSError, ValueError) as error:
        if not phone.is_ready():
            raise phone.lost(doing) from None
        raise DeviceError(
            f"{phone.serial} failed while {doing}: {str(error) or 'the connection was closed'}"
        ) from None
