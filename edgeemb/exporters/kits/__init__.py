"""The integration code that a bundle carries in ``kit/``, filled in for its model. Adding a kit means adding a module and a line here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edgeemb.bundle.manifest import Manifest
from edgeemb.errors import ExportError
from edgeemb.native.libraries import find_sources

FOLDER = "kit"

_NAME = re.compile(r"@([a-z_]+)@")


@dataclass(frozen=True)
class Kit:
    """What a kit is made of.

    :param tokenizer_json: text of the model's ``tokenizer.json``, or None.
    :param manifest: its manifest, without sizes and files.
    :param golden: content of ``golden.json``.
    :param bundle: the bundle's folder, with everything but the kit and the manifest.
    :param aar: whether the Android kit is also packed into one archive.
    """

    tokenizer_json: str | None
    manifest: Manifest
    golden: Mapping[str, Any]
    bundle: Path
    aar: bool = False

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

#: Module with a function `write` for each kit: a target names it, and its templates lie in ``export/<name>``.
KITS = {
    "android": "edgeemb.exporters.kits.android.kit",
    "ios": "edgeemb.exporters.kits.ios",
    "micro": "edgeemb.exporters.kits.micro",
    "web": "edgeemb.exporters.kits.web",
}


def write_kit(name: str, kit: Kit) -> tuple[str, ...]:
    """Write a kit.

    :param name: a key of `KITS`.
    :param kit: what it is made of.
    :return: notes for the user.
    """
    write: Writer = import_module(KITS[name]).write
    return write(kit)


def mask_token(kit: Kit) -> str:
    """What marks a masked place in a text; empty without one.

    :param kit: the kit.
    """
    mask = kit.manifest.mask_id
    if mask is None or kit.tokenizer_json is None:
        return ""
    return str(Tokenizer.from_str(kit.tokenizer_json).id_to_token(mask) or "")


def camel_case(name: str) -> str:
    """A method's name as Java and Swift write it.

    :param name: such as ``label_words``.
    """
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


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
