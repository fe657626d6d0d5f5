"""Inputs as files for the runner on a phone, and the outputs that it writes. ``devices/runner/feeds.c`` documents the layout."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import DeviceError
from edgeemb.text.feeds import pad, text_feeds

_MAGIC = b"EEBFEED1"
#: Most feeds of a file and most axes of an input.
MOST_FEEDS = 64
MOST_AXES = 8
#: Numbers of element types.
_TYPES = {"float32": 1, "uint8": 2, "int32": 6, "int64": 7}


def write_feeds(path: Path, feeds: Sequence[tuple[int, Mapping[str, NDArray[Any]]]]) -> None:
    """Write inputs.

    :param path: the file.
    :param feeds: per inference its length in tokens and an array per input.
    :raises DeviceError: if the runner could not read them.
    """
    if len(feeds) > MOST_FEEDS:
        raise DeviceError(f"{len(feeds)} sequence lengths: a phone takes {MOST_FEEDS} at a time")
    parts = [_MAGIC, struct.pack("<I", len(feeds))]
    for length, arrays in feeds:
        parts.append(struct.pack("<II", length, len(arrays)))
        parts += [_tensor(name, array) for name, array in arrays.items()]
    path.write_bytes(b"".join(parts))


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    kind = _TYPES.get(str(array.dtype))
    if kind is None or array.ndim > MOST_AXES:
        raise DeviceError(
            f"input {name} is {array.dtype}{list(array.shape)}: a phone takes {', '.join(_TYPES)}"
        )
    spelled, data = name.encode(), array.astype(array.dtype.newbyteorder("<")).tobytes()
    head = struct.pack("<I", len(spelled)) + spelled + struct.pack("<II", kind, array.ndim)
    return head + struct.pack(f"<{array.ndim}qQ", *array.shape, len(data)) + data


def golden_feeds(
    manifest: Manifest, texts: Sequence[Sequence[int]]
) -> list[tuple[int, dict[str, NDArray[Any]]]]:
    """Inputs for some texts, an inference each.

    :param manifest: what the bundle takes.
    :param texts: ids of each text, none longer than the bundle takes.
    """
    names = [info.name for info in manifest.inputs]
    feeds = []
    for text in texts:
        width = min((length for length in manifest.lengths if length >= len(text)), default=len(text))
        ids, mask = pad([text], length=width)
        feeds.append((width, dict(text_feeds([*names, "mask"][: max(2, len(names))], ids, mask))))
    return feeds


def text_feed(text: bytes, name: str = "text") -> dict[str, NDArray[Any]]:
    """The input of a C export that takes a text.

    :param text: UTF-8.
    :param name: ``text`` for its result, ``tokens`` for its tokens alone.
    """
    return {name: np.frombuffer(text, np.uint8)}


def read_outputs(data: bytes, sizes: Sequence[int]) -> list[NDArray[np.float32]]:
    """What the runner wrote.

    :param data: the file.
    :param sizes: floats of each result.
    :return: float32 of each size.
    :raises DeviceError: if there are more or fewer.
    """
    if len(data) != 4 * sum(sizes):
        raise DeviceError(
            f"the phone gave {len(data)} bytes of results instead of {4 * sum(sizes)}: export the bundle again"
        )
    return np.split(np.frombuffer(data, "<f4").astype(np.float32), np.cumsum(sizes)[:-1])
