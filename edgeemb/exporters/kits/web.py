"""The web kit: a C export as WebAssembly, and a JavaScript module without dependencies."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Sequence
from typing import Any

from edgeemb.exporters.c.source.weights import Included, included_arrays
from edgeemb.exporters.escape import comment
from edgeemb.exporters.kits import Kit, fill, mask_token
from edgeemb.exporters.kits.web_answers import Answers, answers_of
from edgeemb.exporters.tokenizer import refusal
from edgeemb.native.compilers import FLAGS, run_compiler, zig
from edgeemb.runtimes.c.sources import STATUS, read_sizes, symbol_prefix
from edgeemb.scratch import Scratch
from edgeemb.vectors.form import form_of

PROGRAM = "model.wasm"
#: Pieces of the module, of which a kit has those for its task.
_PIECES = "models"
#: WebAssembly as browsers have had it since 2021 (Safari since 2023): https://webassembly.org/features/.
_WASM_FLAGS = ("-target", "wasm32-freestanding", "-msimd128", "-mbulk-memory", "-nostdlib", "-s")
_STACK_BYTES = 1 << 18


def write(kit: Kit) -> tuple[str, ...]:
    """Write ``kit/``: the program, the module and its types, an example page, and a check against the golden vectors.

    :param kit: what it is made of.
    :return: a note where the kit lacks something.
    :raises NativeError: if the package ziglang is missing, or its compiler fails.
    """
    reason = "" if kit.manifest.tokenizer else refusal(kit.tokenizer_json)
    answers = answers_of(kit.manifest, text=not reason, mask=mask_token(kit))
    arrays = included_arrays(kit.bundle)
    shutil.copytree(kit.source("web"), kit.folder, ignore=shutil.ignore_patterns(_PIECES))
    _compile(kit, arrays, answers.functions)
    values = _values(kit, arrays, answers, reason)
    for path in sorted(kit.folder.iterdir()):
        if path.name != PROGRAM:
            own = {**values, "pieces": _pieces(kit, answers, path.suffixes)}
            if path.suffix == ".html":
                own = {name: html.escape(value) if name in _SHOWN else value for name, value in own.items()}
            path.write_text(fill(path.read_text("utf-8"), own, path.name), "utf-8")
    return (f"the module takes only ids, not text: {reason}",) if reason else ()


#: Values that the example page shows as they are.
_SHOWN = ("name", "asked_label", "asked_value", "text_label", "text_value")


def _pieces(kit: Kit, answers: Answers, suffixes: Sequence[str]) -> str:
    """What the module has for the model's task, or the types of that."""
    folder = kit.source("web") / _PIECES
    paths = (folder / f"{name}{''.join(suffixes)}" for name in answers.pieces)
    return "\n".join(path.read_text("utf-8") for path in paths if path.is_file())


def _compile(kit: Kit, arrays: Sequence[Included], functions: Sequence[str]) -> None:
    """The program. Weights that lie in a file are arrays without content in it, so that they need not be there twice."""
    prefix = symbol_prefix(kit.manifest.name)
    compiler = zig("cc", "compiling for the web")
    exported = [f"{prefix}_{function}" for function in functions]
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


def _values(kit: Kit, arrays: Sequence[Included], answers: Answers, reason: str) -> dict[str, str]:
    manifest = kit.manifest
    sizes = read_sizes(kit.bundle, manifest.name)
    form = form_of(manifest) if manifest.vectors is not None else None
    info: dict[str, Any] = {
        "name": manifest.name,
        "kind": manifest.kind,
        "outputs": sizes["outputs"],
        "tokens": sizes["tokens"],
        "labels": list(manifest.labels),
        "mask": mask_token(kit) if "fill" in answers.functions else "",
    }
    program: dict[str, Any] = {
        "prefix": symbol_prefix(manifest.name),
        "arenaBytes": sizes["arena_bytes"],
        "weightBytes": sum(array.bytes for array in arrays),
        "arrays": [[array.symbol, array.offset, array.bytes] for array in arrays],
        "perToken": bool(sizes["per_token"]),
        "tokenBytes": sizes["width"] or 4,
        "activation": answers.activation,
        "vectors": "" if form is None else form.spec,
        "vectorBytes": 0 if form is None else form.nbytes,
    }
    weights = kit.bundle / "weights.bin"
    remark = f"**No text**: {reason}. Make the ids yourself, with the model's `tokenizer.json`.\n\n"
    return {
        "name": comment(manifest.name),
        "info": json.dumps(info),
        "program": json.dumps(program),
        "statuses": json.dumps(STATUS),
        "base": answers.base,
        "call": answers.call,
        "page_call": answers.page,
        "imports": "info, load" if "info." in answers.call else "load",
        "result": answers.result.replace("@outputs@", str(sizes["outputs"])),
        "remark": remark if reason else "",
        "hidden": "" if answers.asked.label else " hidden",
        "asked_label": answers.asked.label,
        "asked_value": answers.asked.value,
        "text_label": answers.text.label,
        "text_value": answers.text.value,
        "tokens": str(sizes["tokens"]),
        "wasm_bytes": f"{(kit.folder / PROGRAM).stat().st_size:,}",
        "weight_bytes": f"{weights.stat().st_size:,}" if arrays else "within the program",
    }
