"""The web kit: a C export as WebAssembly, and a JavaScript module without dependencies."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Sequence
from typing import Any

from edgeemb.exporters.c.source.weights import Included, included_arrays
from edgeemb.exporters.escape import comment
from edgeemb.exporters.kits import Kit, fill
from edgeemb.exporters.tokenizer import refusal
from edgeemb.native.compilers import FLAGS, run_compiler, zig
from edgeemb.runtimes.c.sources import STATUS, has_function, read_sizes, symbol_prefix
from edgeemb.scratch import Scratch
from edgeemb.tasks.registry import CLASSIFICATION, CROSS_ENCODER, TASKS

PROGRAM = "model.wasm"
#: WebAssembly as browsers have had it since 2021 (Safari since 2023): https://webassembly.org/features/.
_WASM_FLAGS = ("-target", "wasm32-freestanding", "-msimd128", "-mbulk-memory", "-nostdlib", "-s")
_STACK_BYTES = 1 << 18

_PAIRS = """
  /** The logits of a pair of texts. A token at a time is cut off the longer one where both are too long together. */
  encodePair(text, pair) {
    return this.#run([text, pair], info.runPair);
  }
"""
_PAIRS_TYPES = """\
  /** The logits of a pair of texts; a token at a time is cut off the longer one where both are too long together. */
  encodePair(text: string, pair: string): Float32Array;
"""
_CLASSES = """
  /** All classes of a text, or of a pair of texts, the most probable first. */
  classify(text, pair) {
    const scores = probabilities(pair === undefined ? this.encode(text) : this.encodePair(text, pair));
    const found = [...scores].map((score, place) => ({ label: info.labels[place] ?? String(place), score }));
    return found.sort((left, right) => right.score - left.score);
  }
"""
_CLASSES_TYPES = """\
  /** All classes of a text, or of a pair of texts, the most probable first. */
  classify(text: string, pair?: string): { label: string; score: number }[];
"""
_RANKS = """
  /** Texts in the order in which they answer a query, the best first. */
  rank(query, texts) {
    const found = texts.map((text, index) => ({ index, text, score: probabilities(this.encodePair(query, text))[0] }));
    return found.sort((left, right) => right.score - left.score);
  }
"""
_RANKS_TYPES = """\
  /** Texts in the order in which they answer a query, the best first. */
  rank(query: string, texts: string[]): { index: number; text: string; score: number }[];
"""
#: What makes scores of logits, by the manifest's `activation`.
_PROBABILITIES = {
    "softmax": """
function probabilities(logits) {
  const largest = Math.max(...logits);
  const raised = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = raised.reduce((left, right) => left + right, 0);
  return raised.map((value) => value / sum);
}
""",
    "sigmoid": """
function probabilities(logits) {
  return Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)));
}
""",
    "": """
function probabilities(logits) {
  return Array.from(logits);
}
""",
}


def write(kit: Kit) -> tuple[str, ...]:
    """Write ``kit/``: the program, the module and its types, an example page, and a check against the golden vectors.

    :param kit: what it is made of.
    :return: a note where there is no kit.
    :raises NativeError: if the package ziglang is missing, or its compiler fails.
    """
    reason = "" if kit.manifest.tokenizer else refusal(kit.tokenizer_json)
    if reason:
        return (f"no kit: {reason}",)
    arrays = included_arrays(kit.bundle)
    shutil.copytree(kit.source("web"), kit.folder)
    _compile(kit, arrays)
    values = _values(kit, arrays)
    for path in sorted(kit.folder.iterdir()):
        if path.name != PROGRAM:
            own = {**values, "name": html.escape(kit.manifest.name)} if path.suffix == ".html" else values
            path.write_text(fill(path.read_text("utf-8"), own, path.name), "utf-8")
    return ()


def _compile(kit: Kit, arrays: Sequence[Included]) -> None:
    """The program. Weights that lie in a file are arrays without content in it, so that they need not be there twice."""
    prefix = symbol_prefix(kit.manifest.name)
    compiler = zig("cc", "compiling for the web")
    exported = [f"{prefix}_run_text", *([f"{prefix}_run_pair"] if _takes_pairs(kit) else [])]
    exported += ["__heap_base", *(array.symbol for array in arrays)]
    with Scratch() as scratch:
        weights = kit.bundle / "weights.c"
        if arrays:
            weights = scratch / "weights.c"
            lines = [
                f"unsigned char {array.symbol}[{array.bytes}] __attribute__((aligned(64)));"
                for array in arrays
            ]
            weights.write_text("\n".join(lines) + "\n", "utf-8")
        run_compiler(
            [
                *compiler,
                *_WASM_FLAGS,
                *FLAGS,
                f"-I{kit.bundle}",
                str(kit.bundle / "model.c"),
                str(weights),
                "-Wl,--no-entry",
                f"-Wl,-z,stack-size={_STACK_BYTES}",
                *(f"-Wl,--export={symbol}" for symbol in exported),
                "-o",
                str(kit.folder / PROGRAM),
            ]
        )


def _takes_pairs(kit: Kit) -> bool:
    return has_function(kit.bundle, kit.manifest.name, "run_pair")


def _values(kit: Kit, arrays: Sequence[Included]) -> dict[str, str]:
    manifest = kit.manifest
    prefix, pairs = symbol_prefix(manifest.name), _takes_pairs(kit)
    sizes = read_sizes(kit.bundle, manifest.name)
    info: dict[str, Any] = {
        "name": manifest.name,
        "kind": manifest.kind,
        "outputs": sizes["outputs"],
        "tokens": sizes["tokens"],
        "labels": list(manifest.labels),
        "runText": f"{prefix}_run_text",
        "runPair": f"{prefix}_run_pair" if pairs else "",
        "arenaBytes": sizes["arena_bytes"],
        "weightBytes": sum(array.bytes for array in arrays),
        "arrays": [[array.symbol, array.offset, array.bytes] for array in arrays],
    }
    members, types, after = "", "", ""
    call, result = 'encode("some text")', f"a `Float32Array` of {sizes['outputs']} numbers"
    task = TASKS.get(manifest.kind)
    if task is CLASSIFICATION:
        members, types, call = _CLASSES, _CLASSES_TYPES, 'classify("some text")'
        result = "the classes with their probabilities, the most probable first"
        after = _PROBABILITIES[manifest.activation or "softmax"]
    elif task is CROSS_ENCODER and pairs:
        members, types, call = _RANKS, _RANKS_TYPES, 'rank("a query", ["some text", "another"])'
        result = "the texts with their scores, the best first"
        after = _PROBABILITIES[manifest.activation]
    weights = kit.bundle / "weights.bin"
    return {
        "name": comment(manifest.name),
        "info": json.dumps(info),
        "statuses": json.dumps(STATUS),
        "pairs": _PAIRS if pairs else "",
        "classes": members,
        "probabilities": after,
        "pairs_types": _PAIRS_TYPES if pairs else "",
        "classes_types": types,
        "call": call,
        "page_call": call.replace('"some text"', "text.value"),
        "result": result,
        "tokens": str(sizes["tokens"]),
        "wasm_bytes": f"{(kit.folder / PROGRAM).stat().st_size:,}",
        "weight_bytes": f"{weights.stat().st_size:,}" if arrays else "within the program",
    }
