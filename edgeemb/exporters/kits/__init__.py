"""The integration code that a bundle carries in ``kit/``, filled in for its model. Adding a kit means adding a module and a line here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import ExportError
from edgeemb.native.libraries import find_sources
from edgeemb.tasks.registry import TASKS

FOLDER = "kit"

_NAME = re.compile(r"@([a-z_]+)@")


@dataclass(frozen=True)
class Kit:
    """What a kit is made of.

    :param tokenizer_json: text of the model's ``tokenizer.json``, or None.
    :param manifest: its manifest, without sizes and files.
    :param golden: content of ``golden.json``.
    :param bundle: the bundle's folder, with everything but the kit and the manifest.
    """

    tokenizer_json: str | None
    manifest: Manifest
    golden: Mapping[str, Any]
    bundle: Path

    @property
    def folder(self) -> Path:
        """Where the kit goes."""
        return self.bundle / FOLDER

    def source(self, name: str) -> Path:
        """A folder of templates.

        :param name: name of the kit.
        """
        return find_sources() / "export" / name


#: Writes a kit, and gives notes for the user.
Writer = Callable[[Kit], tuple[str, ...]]

#: Kits whose code returns a vector per text.
_OF_VECTORS = ("android", "ios")
#: Module with a function `write` for each kit: a target names it, and its templates lie in ``export/<name>``.
KITS = {
    "android": "edgeemb.exporters.kits.android",
    "ios": "edgeemb.exporters.kits.ios",
    "micro": "edgeemb.exporters.kits.micro",
}


def write_kit(name: str, kit: Kit) -> tuple[str, ...]:
    """Write a kit.

    :param name: a key of `KITS`.
    :param kit: what it is made of.
    :return: notes for the user.
    """
    task = TASKS.get(kit.manifest.kind)
    if task is not None and task.per_token and name in _OF_VECTORS:
        return (
            f"no kit: the code for {name} gives one vector per text, and {kit.manifest.name} is for {task.title}: run the model's file with its runtime, "
            "as docs/bundle.md describes it",
        )
    write: Writer = import_module(KITS[name]).write
    return write(kit)


def fill(text: str, values: Mapping[str, str], where: str) -> str:
    """A template with its names filled in.

    :param text: the template; a word between two @ is a name.
    :param values: text by name, used literally: @ has no meaning in it.
    :param where: what to call the template in an error.
    :raises ExportError: if there is no value for a name.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise ExportError(f"{where}: there is no value for '{found[0]}': install edgeemb again")
        return values[found[1]]

    return _NAME.sub(value, text)
