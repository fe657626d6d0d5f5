"""The counters of ``devices/plugin``: what counts instructions in a simulator, compiled for this machine on first use."""

from __future__ import annotations

from pathlib import Path

from edgeemb.cache import digest_of, made_once
from edgeemb.errors import NativeError
from edgeemb.native.compilers import host_compiler, run_compiler
from edgeemb.native.libraries import find_sources

#: Executed instructions after which what runs in a simulator counts as hung, unless the caller says otherwise.
LIMIT = 50_000_000_000

_FLAGS = ("-O2", "-shared", "-fPIC")


def counter(name: str) -> Path:
    """A compiled counter, kept between runs.

    :param name: ``count_qemu`` or ``count_unicorn``.
    :return: the shared library.
    :raises NativeError: if there is no compiler, or it fails.
    """
    place = find_sources() / "devices" / "plugin"
    source = place / f"{name}.c"
    digest = digest_of(*_FLAGS, source.read_bytes(), (place / "cycles.h").read_bytes())
    file = f"{name}.so"
    folder = made_once(
        f"counters/{name}-{digest}",
        lambda out: run_compiler([*host_compiler(), *_FLAGS, str(source), "-o", str(out / file)]),
        NativeError,
    )
    return folder / file
