"""A phone for the real adb client: its daemon's side of the protocol over TCP, in a folder of this machine.

It knows what the tests need of adbd: the handshake, streams, shell (with and without protocol 2), and file transfer. Its shell is this
machine's, with `/data/local/tmp` led into the folder; programs for aarch64 that are sent to it run under qemu-aarch64.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import stat
import struct
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import IO

ROOT = "/data/local/tmp"
PROPERTIES = {
    "ro.product.manufacturer": "Fabrik",
    "ro.product.model": "Model 1",
    "ro.soc.model": "Chip 2",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
}
_AARCH64 = 183
_VERSION, _MOST = 0x01000001, 256 * 1024
_BANNER = b"device::ro.product.name=fake;ro.product.model=Model_1;ro.product.device=fake;features=shell_v2,cmd,fixed_push_mkdir"


class Gone(Exception):
    """The connection or a stream has ended."""


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes.

    :raises Gone: if the other side has closed.
    """
    data = b""
    while len(data) < size:
        try:
            part = connection.recv(size - len(data))
        except OSError:
            part = b""
        if not part:
            raise Gone
        data += part
    return data


class FakePhone:
    """A phone that listens until the block ends.

    :param folder: an empty folder, its whole file system.
    :param properties: system properties beside `PROPERTIES`.
    :param emulator: command that runs its programs; by default, without any library but what is in the folder.
    :param authorised: whether it trusts the computer.
    :param runs_programs: whether it runs what was sent to it.
    :param free_bytes: room for files that are sent to it.
    :param lost_after: bytes of files after which the connection breaks, or None.
    :param comes_back: whether a lost phone can be connected to again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        properties: Mapping[str, str] | None = None,
        emulator: Sequence[str] = (),
        authorised: bool = True,
        runs_programs: bool = True,
        free_bytes: int = 1 << 40,
        lost_after: int | None = None,
        comes_back: bool = True,
    ) -> None:
        self.folder = folder
        self.files = folder / ROOT.lstrip("/")
        self.emulator = emulator or ("qemu-aarch64", "-L", str(folder))
        self.authorised = authorised
        self.runs_programs = runs_programs
        self.free_bytes = free_bytes
        self.lost_after = lost_after
        self.comes_back = comes_back
        self.processes: list[subprocess.Popen[bytes]] = []
        self.commands: list[str] = []
        self.connections: list[socket.socket] = []
        self.files.mkdir(parents=True)
        programs = folder / "bin"
        programs.mkdir()
        names = "".join(
            f"{name}) echo {shlex.quote(value)};;\n"
            for name, value in {**PROPERTIES, **(properties or {})}.items()
        )
        (programs / "getprop").write_text(f'#!/bin/sh\ncase "$1" in\n{names}esac\n')
        (programs / "getprop").chmod(0o755)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.serial = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> FakePhone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_listening()
        self.drop()
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def left(self) -> list[str]:
        """Names of what lies in the temporary folder."""
        return sorted(path.name for path in self.files.iterdir())

    def drop(self) -> None:
        """Break every connection."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.connections = []

    def lose(self) -> None:
        """Go away, as if the cable was pulled."""
        if not self.comes_back:
            self._stop_listening()
        self.lost_after = None
        self.drop()

    def place(self, path: str) -> Path:
        """Where a path of the phone lies here."""
        return self.folder / path.lstrip("/")

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=Transport(self, connection).serve, daemon=True).start()


class Stream:
    """One service that the client opened: bytes in and out, with the protocol's turn-taking.

    :param transport: the connection that it belongs to.
    :param local: its number here.
    :param remote: its number at the client.
    """

    def __init__(self, transport: Transport, local: int, remote: int) -> None:
        self._transport = transport
        self._numbers = local, remote
        self._buffer = b""
        self.incoming: Queue[bytes | None] = Queue()
        self.ready = threading.Semaphore(0)
        self.closed = False

    def read(self, size: int) -> bytes:
        """Exactly so many bytes.

        :raises Gone: if the client has closed the stream.
        """
        while len(self._buffer) < size:
            data = self.incoming.get()
            if data is None:
                raise Gone
            self._buffer += data
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def write(self, data: bytes) -> None:
        """Send bytes and wait until the client has taken them.

        :raises Gone: if the client has closed the stream.
        """
        for at in range(0, len(data), _MOST):
            self._transport.send(b"WRTE", *self._numbers, data[at : at + _MOST])
            self.ready.acquire()
            if self.closed:
                raise Gone

    def close(self) -> None:
        """End the stream from here."""
        self._transport.send(b"CLSE", *self._numbers)

    def end(self) -> None:
        """The client has ended it."""
        self.closed = True
        self.incoming.put(None)
        self.ready.release()


class Transport:
    """One connection of the adb server.

    :param phone: the phone.
    :param connection: the socket.
    """

    def __init__(self, phone: FakePhone, connection: socket.socket) -> None:
        self._phone = phone
        self._connection = connection
        self._lock = threading.Lock()
        self._streams: dict[int, Stream] = {}

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        """Send a message; one that cannot be sent is dropped, since reading will fail as well."""
        number = struct.unpack("<I", command)[0]
        # From this version of the protocol on, the checksum is 0.
        head = struct.pack("<6I", number, first, second, len(data), 0, number ^ 0xFFFFFFFF)
        with self._lock, contextlib.suppress(OSError):
            self._connection.sendall(head + data)

    def serve(self) -> None:
        """Answer messages until the connection ends."""
        try:
            while True:
                number, first, second, size, _, _ = struct.unpack("<6I", receive(self._connection, 24))
                self._answer(struct.pack("<I", number), first, second, receive(self._connection, size))
        except Gone:
            for stream in self._streams.values():
                stream.end()

    def _answer(self, command: bytes, first: int, second: int, data: bytes) -> None:
        match command:
            case b"CNXN" | b"AUTH" if not self._phone.authorised:
                if command == b"CNXN" or first == 2:  # a signature by a key that is not known here
                    self.send(b"AUTH", 1, 0, bytes(20))
            case b"CNXN":
                self.send(b"CNXN", _VERSION, _MOST, _BANNER)
            case b"OPEN":
                local = len(self._streams) + 1
                stream = self._streams[local] = Stream(self, local, first)
                self.send(b"OKAY", local, first)
                threading.Thread(target=self._serve_stream, args=(stream, data), daemon=True).start()
            case b"WRTE" if second in self._streams:
                self._streams[second].incoming.put(data)
                self.send(b"OKAY", second, first)
            case b"OKAY" if second in self._streams:
                self._streams[second].ready.release()
            case b"CLSE" if second in self._streams:
                self._streams[second].end()
                self.send(b"CLSE", second, first)

    def _serve_stream(self, stream: Stream, data: bytes) -> None:
        service = data.rstrip(b"\0").decode()
        kind, _, command = service.partition(":")
        try:
            if kind == "sync":
                Transfer(self._phone, stream).serve()
            elif kind.split(",")[0] in ("shell", "exec"):
                run_shell(self._phone, stream, command, framed="v2" in kind.split(","))
            stream.close()
        except Gone:
            pass


def run_shell(phone: FakePhone, stream: Stream, command: str, *, framed: bool) -> None:
    """Run a line in the phone's shell.

    :param phone: the phone.
    :param stream: where its output goes.
    :param command: the line.
    :param framed: whether standard output, standard error and the exit status are told apart (shell protocol 2).
    """
    phone.commands.append(command)
    process = subprocess.Popen(
        ["/bin/sh", "-c", command.replace(ROOT, str(phone.files))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=phone.folder,
        env={"PATH": f"{phone.folder / 'bin'}:{os.environ['PATH']}"},
        start_new_session=True,
    )
    phone.processes.append(process)
    lock = threading.Lock()

    def copy(source: IO[bytes], number: int) -> None:
        while data := os.read(source.fileno(), 65536):
            with lock:
                stream.write(struct.pack("<BI", number, len(data)) + data if framed else data)

    def guarded(source: IO[bytes], number: int) -> None:
        with contextlib.suppress(Gone):
            copy(source, number)

    assert process.stdout is not None and process.stderr is not None
    threads = [
        threading.Thread(target=guarded, args=(source, number), daemon=True)
        for number, source in ((1, process.stdout), (2, process.stderr))
    ]
    for thread in threads:
        thread.start()
    status = process.wait()
    for thread in threads:
        thread.join()
    process.stdout.close()
    process.stderr.close()
    if framed:
        stream.write(struct.pack("<BIB", 3, 1, status if status >= 0 else 128 - status))


class Transfer:
    """File transfer: one stream of requests.

    :param phone: the phone.
    :param stream: the stream.
    """

    def __init__(self, phone: FakePhone, stream: Stream) -> None:
        self._phone = phone
        self._stream = stream

    def serve(self) -> None:
        """Answer requests until the client quits."""
        requests: dict[bytes, Callable[[str], None]] = {
            b"STAT": self._stat,
            b"SEND": self._take,
            b"RECV": self._give,
        }
        while True:
            kind, size = struct.unpack("<4sI", self._stream.read(8))
            if kind not in requests:
                return
            requests[kind](self._stream.read(size).decode())

    def _stat(self, path: str) -> None:
        place = self._phone.place(path)
        mode, size = (place.stat().st_mode, place.stat().st_size) if place.exists() else (0, 0)
        self._stream.write(struct.pack("<4sIII", b"STAT", mode, size, 1 if mode else 0))

    def _give(self, path: str) -> None:
        place = self._phone.place(path)
        if not place.is_file():
            return self._fail("open failed: No such file or directory")
        data = place.read_bytes()
        for at in range(0, len(data), 65536):
            part = data[at : at + 65536]
            self._stream.write(struct.pack("<4sI", b"DATA", len(part)) + part)
        return self._stream.write(struct.pack("<4sI", b"DONE", 0))

    def _take(self, target: str) -> None:
        path, _, mode = target.rpartition(",")
        data, full = b"", False
        while True:
            kind, size = struct.unpack("<4sI", self._stream.read(8))
            if kind != b"DATA":
                break
            data += self._stream.read(size)
            full = full or len(data) > self._phone.free_bytes
            if self._phone.lost_after is not None and len(data) > self._phone.lost_after:
                self._phone.lose()
                raise Gone
        if full:
            return self._fail("write failed: No space left on device")
        self._phone.free_bytes -= len(data)
        self._keep(self._phone.place(path), data, int(mode) & 0o777)
        return self._stream.write(struct.pack("<4sI", b"OKAY", 0))

    def _keep(self, place: Path, data: bytes, mode: int) -> None:
        """Store a file; a program that this machine cannot run gets a line in front that can."""
        place.parent.mkdir(parents=True, exist_ok=True)
        program = data[:4] == b"\x7fELF" and mode & stat.S_IXUSR and ".so" not in place.name
        if program and struct.unpack_from("<H", data, 18)[0] == _AARCH64:
            hidden = place.with_name(f".{place.name}")
            hidden.write_bytes(data)
            hidden.chmod(mode)
            data = f'#!/bin/sh\nexec {shlex.join([*self._phone.emulator, str(hidden)])} "$@"\n'.encode()
        place.write_bytes(data)
        place.chmod(mode if self._phone.runs_programs else mode & ~0o111)

    def _fail(self, message: str) -> None:
        self._stream.write(struct.pack("<4sI", b"FAIL", len(message)) + message.encode())
