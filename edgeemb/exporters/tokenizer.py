"""The tokenizer in a bundle: its file and its compiled form."""

from __future__ import annotations

from pathlib import Path

from edgeemb.bundle.manifest import COMPILED_TOKENIZER, TOKENIZER
from edgeemb.text.compiled import NotCompiled, compile_tokenizer


def write_tokenizer(text: str, folder: Path) -> tuple[str, ...]:
    """Write a tokenizer into a bundle.

    :param text: of the tokenizer.json.
    :param folder: the bundle.
    :return: remarks for the user.
    """
    (folder / TOKENIZER).write_text(text, "utf-8")
    try:
        (folder / COMPILED_TOKENIZER).write_bytes(compile_tokenizer(text))
    except NotCompiled as error:
        return (str(error),)
    return ()
