"""The iOS kit: a Swift package around a C export, sources only."""

from __future__ import annotations

import shutil

from edgeemb.exporters.escape import comment, swift
from edgeemb.exporters.kits import FOLDER, Kit, camel_case, fill, mask_token
from edgeemb.exporters.kits.micro import golden_header
from edgeemb.exporters.kits.swift_answers import answers
from edgeemb.exporters.tokenizer import refusal
from edgeemb.runtimes.c.sources import STATUS, read_sizes, sources, symbol_prefix
from edgeemb.tasks.registry import EMBEDDING, TASKS
from edgeemb.vectors.form import form_of

PACKAGE = "Package.swift"
#: The C module's header, whose name does not depend on the model.
HEADER = "include/edgeemb_model.h"
#: Files of a bundle that are not sources; the first are written after the kit.
_LATER = ("manifest.json", f"{FOLDER}/README.md")
_OTHERS = (*_LATER, "golden.json", "tokenizer.json", "tokenizer.bin", "weights.bin")

_ENCODE = """
    /// Vector or logits of a text; the end of one that is too long is cut off.
    public func encode(_ text: String) throws -> [Float] {
        running.lock()
        defer { running.unlock() }
        var output = [Float](repeating: 0, count: TextModel.outputs)
        let bytes = Array(text.utf8CString)
        try check(@prefix@_run_text(arena, arenaBytes, bytes, bytes.count - 1, &output))
        return output
    }
"""

_TOKENIZE = """
    /// Tokens of a text, as the model takes them.
    public func tokenize(_ text: String) throws -> [@element@] {
        running.lock()
        defer { running.unlock() }
        var tokens = [@element@](repeating: 0, count: TextModel.tokens * @width@)
        var count = 0
        let bytes = Array(text.utf8CString)
        try check(@prefix@_tokenize(arena, arenaBytes, bytes, bytes.count - 1, &tokens, &count))
        return Array(tokens.prefix(count * @width@))
    }
"""

#: How the answers of a session's method are called for in Swift, and what they are.
_CALLS = {
    "encode": 'encode("some text")',
    "classify": 'classify("some text")',
    "rank": 'rank("a query", ["some text", "another"])',
    "labelWords": 'labelWords("some text")',
    "encodeTokens": 'encodeTokens("some text")',
    "answer": 'answer("a question", "some text")',
    "fill": 'fill("a text with \\(TextModel.mask) in it")',
}
_RESULTS = {
    "encode": "@outputs@ numbers",
    "classify": "the @outputs@ classes with their probabilities, the most probable first",
    "rank": "the texts with their scores, the best first",
    "labelWords": "the words with their labels, probabilities and places",
    "encodeTokens": "@outputs@ numbers for each token; `query: true` reads a query, and `TextModel.maxSim` compares it with a document",
    "answer": "the part of the text that answers the question, its place and its probability",
    "fill": "the most probable tokens of each masked place, with their probabilities",
}

_VECTORS = """
    /// Bytes of a vector as an index stores it: @spec@.
    public static let storedBytes = @bytes@

    /// A vector, as encode gives it, as an index stores it.
    public static func store(_ vector: [Float]) -> [UInt8] {
        precondition(vector.count == outputs, "a vector of this model has \\(outputs) elements")
        var stored = [UInt8](repeating: 0, count: storedBytes)
        @prefix@_store(vector, &stored)
        return stored
    }

    /// How similar two stored vectors are, in [-1, 1].
    public static func similarity(_ left: [UInt8], _ right: [UInt8]) -> Float {
        precondition(left.count == storedBytes && right.count == storedBytes, "a stored vector of this model has \\(storedBytes) bytes")
        return @prefix@_similarity(left, right)
    }

    /// The same of a vector, as encode gives it, and a stored one: more exact than two stored ones.
    public static func similarity(_ vector: [Float], _ stored: [UInt8]) -> Float {
        precondition(vector.count == outputs && stored.count == storedBytes, "these are no vectors of this model")
        return @prefix@_similarity_to(vector, stored)
    }
"""


def write(kit: Kit) -> tuple[str, ...]:
    """Write ``kit/``, and ``Package.swift`` next to it.

    :param kit: what it is made of.
    :return: a note where the kit lacks something.
    """
    prefix = symbol_prefix(kit.manifest.name)
    sizes = read_sizes(kit.bundle, kit.manifest.name)
    reason = "" if kit.manifest.tokenizer else refusal(kit.tokenizer_json)
    tokens = (
        {"element": "UInt8", "width": str(sizes["width"]), "label": "tokenBytes"}
        if kit.manifest.tokenizer
        else {"element": "Int32", "width": "1", "label": "ids"}
    )
    weights = sources(kit.bundle)[1].name
    members = "" if reason else answers(kit.manifest, prefix, mask_token(kit))
    per_token = bool(sizes["per_token"])
    method = camel_case(TASKS.get(kit.manifest.kind, EMBEDDING).method) if members else "encode"
    result = "@outputs@ numbers for each token" if per_token and reason else _RESULTS[method]
    # What is encoded token by token is one of the answers.
    text = _TOKENIZE if per_token else _ENCODE + _TOKENIZE
    values = {
        "text": "" if reason else fill(text, {"prefix": prefix, **tokens}, "the Swift kit"),
        "answers": members,
        "vectors": _vectors(kit, prefix),
        "prefix": prefix,
        **tokens,
        "module": module_name(kit.manifest.name),
        "name": comment(kit.manifest.name),
        "weights": weights,
        "exclude": ", ".join(
            f'"{name}"' for name in _OTHERS if name in _LATER or (kit.bundle / name).is_file()
        ),
        "statuses": "\n".join(f'        case {status}: return "{words}"' for status, words in STATUS.items()),
        "result_of": "the result of a token" if per_token else "a result",
        "encoded": "The results of the tokens, one behind the other," if per_token else "Vector or logits",
        "rows": f" * {tokens['label']}.count" if per_token else "",
        "labels": ", ".join(f'"{swift(label)}"' for label in kit.manifest.labels),
        "call": "encode(ids: ids)" if reason else _CALLS[method],
        "result": result.replace("@outputs@", str(sizes["outputs"])),
        "outputs": str(sizes["outputs"]),
        "tokens": str(sizes["tokens"]),
        "arena": str(sizes["arena_bytes"]),
        "remark": f"\n\n**No text**: {reason}. Make the ids yourself, with the model's `tokenizer.json`."
        if reason
        else "",
    }
    shutil.copytree(kit.source("ios"), kit.folder)
    for path in sorted(kit.folder.rglob("*")):
        if path.is_file():
            path.write_text(fill(path.read_text("utf-8"), values, path.name), "utf-8")
    (kit.folder / PACKAGE).rename(kit.bundle / PACKAGE)
    (kit.folder / "golden.h").write_text(golden_header(kit), "utf-8")
    (kit.folder / HEADER).write_text(_header(prefix), "utf-8")
    return (f"the Swift package takes only ids, not text: {reason}",) if reason else ()


def _vectors(kit: Kit, prefix: str) -> str:
    """What the model has for vectors that are stored as codes; nothing where they stay as it gives them."""
    form = form_of(kit.manifest) if kit.manifest.vectors is not None else None
    if form is None:
        return ""
    return fill(_VECTORS, {"prefix": prefix, "spec": form.spec, "bytes": str(form.nbytes)}, "the Swift kit")


def module_name(name: str) -> str:
    """Name of the Swift module of a model.

    :param name: the model's name, such as ``all-MiniLM-L6-v2``.
    :return: such as ``AllMinilmL6V2``.
    """
    return "".join(part.capitalize() for part in symbol_prefix(name).split("_"))


def _header(prefix: str) -> str:
    guard = f"{prefix.upper()}_MODULE_H"
    return "\n".join(
        (
            "/* Generated by edgeemb export: what the package's C module gives to Swift. */",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            '#include "../../model.h"',
            "",
            f"#define EDGEEMB_MISMATCHES {prefix}_mismatches",
            "",
            "/* How many golden texts give another result than where the bundle was exported; the arena is that of a run. */",
            "#ifdef __cplusplus",
            'extern "C"',
            "#endif",
            f"uint32_t {prefix}_mismatches(void *arena);",
            "",
            "#endif",
            "",
        )
    )
