"""The tokenizer in a bundle: its file and its compiled form."""

from __future__ import annotations

from pathlib import Path

from edgeemb.bundle.manifest import COMPILED_TOKENIZER, TOKENIZER
from edgeemb.models.base import LoadedModel
from edgeemb.text.compiled import NotCompiled, compile_tokenizer, compile_words


def refusal(text: str | None) -> str:
    """Why a tokenizer cannot be compiled; empty if it can.

    :param text: of the tokenizer.json, or None.
    """
    if text is None:
        return "the model takes no text"
    try:
        compile_tokenizer(text)
    except NotCompiled as error:
        return str(error)
    return ""


def write_tokenizer(model: LoadedModel, folder: Path) -> tuple[str, ...]:
    """Write a model's tokenizer into a bundle; nothing where it takes no text.

    :param model: the model.
    :param folder: the bundle.
    :return: remarks for the user.
    """
    text = model.tokenizer_json
    if text is None:
        if model.words is not None:
            (folder / COMPILED_TOKENIZER).write_bytes(compile_words(model.words.width))
        return ()
    (folder / TOKENIZER).write_text(text, "utf-8")
    reason = refusal(text)
    if reason:
        return (reason,)
    (folder / COMPILED_TOKENIZER).write_bytes(compile_tokenizer(text))
    return ()
