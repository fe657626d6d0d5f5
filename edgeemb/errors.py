"""The one exception family. Each message is a single line: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class EdgeembError(Exception):
    """Base of every error that edgeemb raises on purpose; the command line prints it and exits with 1."""


class SpecError(EdgeembError):
    """A table spec, a target name or an option value that does not parse or does not fit the table."""


class ModelError(EdgeembError):
    """A model that cannot be loaded: missing, damaged, refused or of an unknown family."""


class ExportError(EdgeembError):
    """A conversion that failed, or whose result would be wrong or would not fit."""


class BundleError(EdgeembError):
    """A bundle that is missing, damaged, altered or newer than this version understands."""


class InputError(EdgeembError):
    """Text, ids or data files that cannot be used as given."""


class NativeError(EdgeembError):
    """A native library or a compiler that is missing or does not work."""


class TrainingError(EdgeembError):
    """Training that was interrupted or diverged, or a checkpoint of another training."""


class DeviceError(EdgeembError):
    """A device that is missing, unknown, or failed while it was measured."""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The message for an unknown name: the known names, and the nearest one.

    :param what: what it should name, for example ``target``.
    :param name: the name.
    :param known: every name that there is.
    """
    names = list(known)
    nearest = get_close_matches(name, names, 1)
    guess = f"did you mean {nearest[0]}? " if nearest else ""
    return f"{what} '{name}' is not known: {guess}use {', '.join(names)}"


def first_line(error: BaseException) -> str:
    """The first line of another library's message, for our one-line messages.

    :param error: what the library raised.
    """
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
