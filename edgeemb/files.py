"""Reading small files that may come from anywhere: bounded in size, and with one-line errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgeemb.errors import EdgeembError, ModelError
from edgeemb.scratch import Scratch, sweep

MAX_CONFIG_BYTES = 16 * 2**20

_Kind = TypeVar("_Kind")


def read_text(path: Path, max_bytes: int, error: type[EdgeembError]) -> str:
    """The text of a UTF-8 file.

    :param path: the file.
    :param max_bytes: refuse a larger one without reading it.
    :param error: class of what is raised.
    :raises EdgeembError: of class ``error`` if it cannot be read, is too large or not UTF-8.
    """
    check_size(path, max_bytes, error)
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as problem:
        raise error(f"cannot read {path}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise error(f"{path} is not UTF-8 text (byte {problem.start}): convert it") from problem


def check_size(path: Path, max_bytes: int, error: type[EdgeembError]) -> None:
    """Refuse a file that is too large to be what it is said to be.

    :param path: the file.
    :param max_bytes: its largest size.
    :param error: class of what is raised.
    :raises EdgeembError: of class ``error`` if it is larger, or cannot be read.
    """
    try:
        size = path.stat().st_size
    except OSError as problem:
        raise error(f"cannot read {path}: {problem.strerror}") from problem
    if size > max_bytes:
        raise error(f"{path} has {size} bytes, more than {max_bytes} are not read: is it the right file?")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file; an existing one is replaced only by a complete one.

    :param path: where to.
    :param text: what to write.
    :raises EdgeembError: if it cannot be written.
    """
    prefix = f".{path.name}.edgeemb-"
    try:
        sweep(path.parent, prefix)
        with Scratch(path.parent, prefix) as scratch:
            new = scratch / "new"
            new.write_text(text, "utf-8")
            new.chmod(0o644)
            new.replace(path)
    except OSError as error:
        raise EdgeembError(f"cannot write {path}: {error.strerror}") from error


def read_json(path: Path, max_bytes: int, error: type[EdgeembError]) -> Any:
    """The value in a JSON file.

    :param path: the file.
    :param max_bytes: refuse a larger one without reading it.
    :param error: class of what is raised.
    :raises EdgeembError: of class ``error`` if it cannot be read or is not JSON.
    """
    return parse_json(read_text(path, max_bytes, error), path, error)


def parse_json(text: str, path: Path, error: type[EdgeembError]) -> Any:
    """The value of a JSON text.

    :param text: the JSON.
    :param path: what to call it in an error.
    :param error: class of what is raised.
    :raises EdgeembError: of class ``error`` if it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise error(f"{path} is not valid JSON ({problem}): copy it again") from problem


def checked(values: object, kind: type[_Kind]) -> _Kind:
    """Plain JSON values as a dataclass, each checked against its type, range and length; fields that it does not know are left out.

    :param values: parsed JSON, from anywhere.
    :param kind: the dataclass.
    :raises ValueError: if a field is missing, or of another type or size; one line that says where.
    """
    try:
        return msgspec.convert(values, kind)
    except (msgspec.ValidationError, RecursionError) as problem:
        # Backticks mark parameters of ours in messages.
        raise ValueError(str(problem).replace("`", "'")) from None


def read_config(path: Path) -> dict[str, Any]:
    """The JSON object in a config file.

    :raises ModelError: if the file cannot be read or holds something else.
    """
    value = read_json(path, MAX_CONFIG_BYTES, ModelError)
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__} where a JSON object belongs: copy it again")
    return value


def inside(folder: Path, name: object, named_by: Path) -> Path:
    """The path of ``name`` in ``folder``.

    :param folder: a model folder.
    :param name: a relative path that a file in the folder gives.
    :param named_by: that file, for the error.
    :raises ModelError: if the name would lead out of the folder.
    """
    if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ModelError(
            f"{named_by} names {name!r}, which is not a path inside its folder: do not trust this model"
        )
    return folder / name
