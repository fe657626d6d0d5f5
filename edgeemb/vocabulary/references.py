"""Token ids in a tokenizer.json outside the vocabulary: the post-processor's and the padding's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeemb.errors import InputError

#: Given an id and the section that contains it, what to write instead.
Renumber = Callable[[int, str], int]


def renumbered(tokenizer: dict[str, Any], renumber: Renumber, where: str) -> dict[str, Any]:
    """The tokenizer.json with each such id replaced.

    :param tokenizer: a parsed tokenizer.json; it is not changed.
    :param renumber: called once for every id.
    :param where: what to call the tokenizer in an error.
    :raises InputError: if its post-processor is of a type whose ids are not known.
    """
    result = dict(tokenizer)
    if tokenizer.get("post_processor") is not None:
        result["post_processor"] = _processor(tokenizer["post_processor"], renumber, where)
    if tokenizer.get("padding") is not None:
        padding = tokenizer["padding"]
        result["padding"] = {**padding, "pad_id": renumber(padding["pad_id"], "padding")}
    return result


def _processor(processor: dict[str, Any], renumber: Renumber, where: str) -> dict[str, Any]:
    kind = processor.get("type")
    if kind == "ByteLevel":
        return processor
    if kind == "Sequence":
        return {
            **processor,
            "processors": [_processor(each, renumber, where) for each in processor["processors"]],
        }
    if kind in ("BertProcessing", "RobertaProcessing"):
        pairs = {key: [processor[key][0], renumber(processor[key][1], kind)] for key in ("sep", "cls")}
        return {**processor, **pairs}
    if kind == "TemplateProcessing":
        tokens = {
            name: {**token, "ids": [renumber(old, kind) for old in token["ids"]]}
            for name, token in processor["special_tokens"].items()
        }
        return {**processor, "special_tokens": tokens}
    raise InputError(
        f"{where}: cannot renumber a post-processor of type {kind}; save the tokenizer without it"
    )
