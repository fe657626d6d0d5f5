"""The user's cache folder: what edgeemb builds or fetches once for all processes."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from edgeemb.errors import EdgeembError
from edgeemb.scratch import Scratch, sweep

#: Overrides the folder that holds what edgeemb builds for this user.
CACHE_VARIABLE = "EDGEEMB_CACHE"


def cache_folder() -> Path:
    """Folder for what edgeemb builds: ``$EDGEEMB_CACHE``, or else ``edgeemb`` in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).absolute()
    return user_cache_path("edgeemb", appauthor=False)


def digest_of(*parts: str | bytes) -> str:
    """A short name that changes with any of some texts.

    :param parts: the texts.
    :return: 16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:16]


def made_once(name: str, make: Callable[[Path], object], error: type[EdgeembError]) -> Path:
    """A folder of the cache, made now unless it exists.

    It is filled under another name and renamed when complete, so that one that exists is whole. Two processes that need it at once wait
    for each other, and one makes it.

    :param name: its name, with ``/`` between folders; it should change with whatever it is made of.
    :param make: fills an empty folder.
    :param error: class of what is raised if the cache cannot be written.
    """
    from filelock import FileLock

    place = cache_folder() / name
    if place.is_dir():
        with suppress(OSError):
            os.utime(place)  # `keep_newest` goes by it
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.parent / f".{place.name}.lock"):
            if not place.is_dir():
                _fill(place, make)
    except OSError as problem:
        raise error(
            f"cannot write {place.parent} ({problem.strerror}): set {CACHE_VARIABLE} to a folder that can be written"
        ) from None
    return place


def keep_newest(name: str, count: int) -> None:
    """Remove what has been unused for longest from a folder of the cache. What another process has mapped stays mapped.

    :param name: the folder, which holds folders of `made_once`.
    :param count: how many of them stay.
    """
    with suppress(OSError):
        made = [place for place in (cache_folder() / name).iterdir() if place.name[0] != "."]
        for place in sorted(made, key=lambda place: place.stat().st_mtime)[:-count]:
            shutil.rmtree(place, ignore_errors=True)
            place.with_name(f".{place.name}.lock").unlink(missing_ok=True)


def _fill(place: Path, make: Callable[[Path], object]) -> None:
    prefix = f".{place.name}-"
    sweep(place.parent, prefix)
    with Scratch(place.parent, prefix) as filled:
        make(filled)
        filled.rename(place)
