"""What cannot be compiled is refused by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeemb.errors import ExportError


class NotCompiled(ExportError):
    """A tokenizer that `edgeemb.text.compiled` cannot turn into a blob which gives the same tokens."""


def refuse(what: str) -> NotCompiled:
    """The error for a part of a tokenizer.

    :param what: the part, as its tokenizer.json names it.
    """
    return NotCompiled(
        f"the tokenizer cannot be compiled exactly: {what}; the tokenizers library serves it on a computer"
    )


def check_keys(section: Mapping[str, Any], known: set[str], where: str) -> None:
    """Refuse settings that this version does not know.

    :param section: a part of a tokenizer.json.
    :param known: the settings that are known, ``type`` included.
    :param where: what to call the part.
    :raises NotCompiled: naming the first unknown one.
    """
    for key in section:
        if key not in known:
            raise refuse(f"{where} has the setting '{key}', which is not known")
