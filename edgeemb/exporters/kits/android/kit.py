"""The Android kit: a Gradle module in Java with the model, its tokenizer and a session for the runtime that the bundle is for."""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edgeemb.bundle.manifest import COMPILED_TOKENIZER, DOCUMENT, QUERY, TOKENIZER, Manifest
from edgeemb.bundle.reading import file_entry
from edgeemb.errors import ExportError, NativeError
from edgeemb.exporters.escape import comment, java, kotlin
from edgeemb.exporters.kits import Kit, camel_case, fill, mask_token
from edgeemb.exporters.kits.android.archive import write_archive
from edgeemb.exporters.kits.android.library import API, TEXT_ABIS, text_library
from edgeemb.exporters.tokenizer import refusal
from edgeemb.runtimes.c.sources import symbol_prefix
from edgeemb.runtimes.registry import find_runtime
from edgeemb.runtimes.runtime import Runtime
from edgeemb.runtimes.token_vectors import reading_of
from edgeemb.tasks.registry import CAUSAL_LM, EMBEDDING, MASKED_LM, MULTI_VECTOR, TASKS
from edgeemb.tasks.task import Task
from edgeemb.text.spellings import FILE as SPELLINGS
from edgeemb.text.spellings import spellings
from edgeemb.vectors.form import form_of

#: Android that an app is compiled against.
COMPILE_SDK = 35
#: Tables next to the program, as `edgeemb.ExportOptions.tables_apart` puts them.
TABLES_APART = "tables.ptd"
GOLDEN_FILE = "golden.bin"
INFO_FILE = "model.properties"
#: The tokenizer's libraries, a folder for each platform.
LIBRARIES = "jniLibs"
_GOLDEN_VERSION = 2
#: How the answers of a session's method are called for in Java, and what they are.
_CALLS = {
    "encode": 'float[] result = model.encode("some text");',
    "classify": 'Label[] result = model.classify("some text");   // or of a pair: model.classify(text, other)',
    "rank": 'Ranked[] result = model.rank("a query", new String[] {"some text", "another"});',
    "label_words": 'Word[] result = model.labelWords("some text");',
    "answer": 'Answer[] result = model.answer("a question", "some text", 1);',
    "fill": 'Filling[][] result = model.fill("a text with " + model.info.mask + " in it", 5);',
    "next_tokens": 'Filling[] result = model.nextTokens("some text", 5);',
    "encode_tokens": 'float[][] result = model.encodeTokens("some text", false);   // true for a query; Vectors.maxSim compares both',
}
_RESULTS = {
    "encode": "a vector of @dim@ numbers",
    "classify": "the classes with their probabilities, the most probable first",
    "rank": "the texts with their scores, the best first",
    "label_words": "the words with their labels, probabilities and places",
    "answer": "the part of the text that answers the question, its place and its probability",
    "fill": "the most probable tokens of each masked place, with their probabilities",
    "next_tokens": "the most probable tokens after the text, with their probabilities",
    "encode_tokens": "a vector of @dim@ numbers for each token",
}
_TEMPLATES = ("build.gradle.kts", "README.md", "consumer-rules.pro")


def write(kit: Kit) -> tuple[str, ...]:
    """Write ``kit/``.

    :param kit: what it is made of.
    :return: a note where the kit lacks something.
    :raises ExportError: if there is no kit for the model and it was to become an archive.
    :raises NativeError: if the archive cannot be compiled.
    """
    runtime = find_runtime(kit.manifest.runtime)
    if none := _no_kit(kit, runtime):
        if kit.aar:
            raise ExportError(
                f"aar=True makes an archive of the Android kit, but there is {none}: leave it out"
            )
        return (none,)
    assert runtime.phone is not None  # else there is no kit
    reason = "" if kit.manifest.tokenizer else refusal(kit.tokenizer_json)
    reason = reason or _add_tokenizer(kit.folder / LIBRARIES)
    source = kit.source("android")
    shutil.copytree(source / "src", kit.folder / "src")
    code = kit.folder / "src" / "main" / "java" / "edgeemb"
    for path in sorted((source / kit.manifest.runtime).glob("*.java")):
        shutil.copyfile(path, code / path.name)
    assets = kit.folder / "assets"
    assets.mkdir()
    (assets / GOLDEN_FILE).write_bytes(golden_bytes(kit.golden))
    if _spelled(kit):
        tokenizer, rows = Tokenizer.from_str(str(kit.tokenizer_json)), kit.manifest.inputs[0].rows
        assert rows is not None  # ids are bounded by the table that they are looked up in
        (assets / SPELLINGS).write_bytes(spellings(tokenizer, rows))
    files = sorted(path.name for path in kit.bundle.glob("model.*"))
    (assets / INFO_FILE).write_text(_info(kit, files, reason), "utf-8")
    values = {
        "name": comment(kit.manifest.name),
        "java_name": java(kit.manifest.name),
        "kotlin_name": kotlin(kit.manifest.name),
        "identifier": symbol_prefix(kit.manifest.name),
        "files": ", ".join(f'"{file}"' for file in [*files, *([] if reason else [COMPILED_TOKENIZER])]),
        "compile_sdk": str(COMPILE_SDK),
        "min_sdk": str(API),
        "dependency": runtime.phone.dependency,
        "runtime": runtime.title,
        "keep": "\n".join(f"-keep class {pattern} {{ *; }}" for pattern in runtime.phone.keep),
        "libraries": _libraries(kit),
        "text": _text(reason, kit.manifest),
        "result": _RESULTS.get(_task(kit.manifest).method, _RESULTS["encode"]).replace(
            "@dim@", str(_row(kit.manifest))
        ),
        "max_length": str(kit.manifest.max_length),
    }
    for name in _TEMPLATES:
        text = fill((source / name).read_text("utf-8"), values, name)
        (kit.folder / name).write_text(text, "utf-8")
    if kit.aar:
        write_archive(kit, files if reason else [*files, COMPILED_TOKENIZER])
    return (f"the Android kit has no tokenizer: {reason}",) if reason else ()


def _no_kit(kit: Kit, runtime: Runtime) -> str:
    """Why a model has no Android kit; empty if it has one."""
    if not (kit.tokenizer_json or kit.manifest.tokenizer):
        return f"no kit: the Android kit is for models that take text, {kit.manifest.name} takes none"
    if (kit.bundle / TABLES_APART).exists():
        return f"no kit: ExecuTorch's class for Android loads only a program, not {TABLES_APART}"
    if runtime.phone is None or not runtime.phone.dependency:
        return f"no kit: {runtime.title} has no package for Android apps"
    return ""


def _add_tokenizer(folder: Path) -> str:
    """The tokenizer's libraries in a folder; the reason if they cannot be built."""
    try:
        libraries = {abi: text_library(abi) for abi in TEXT_ABIS}
    except NativeError as error:
        return str(error)
    for abi, library in libraries.items():
        (folder / abi).mkdir(parents=True)
        shutil.copyfile(library, folder / abi / library.name)
    return ""


def golden_bytes(golden: Any) -> bytes:
    """The content of ``golden.bin``, which `export/android`'s class ``Golden`` reads.

    :param golden: content of ``golden.json`` of a text model.
    """
    outputs: Sequence[Sequence[float]] = golden.get("output", [])
    if not outputs:
        return b"EEBG" + struct.pack("<2I", _GOLDEN_VERSION, 0)
    # Without a vocabulary, the bytes of the tokens are in the place of the ids.
    words = (
        ([list(bytes.fromhex("".join(tokens))) for tokens in golden["tokens"]]) if "tokens" in golden else []
    )
    parts = [b"EEBG", struct.pack("<2I", _GOLDEN_VERSION, len(outputs))]
    for sentence, ids, output in zip(golden["sentences"], words or golden["ids"], outputs, strict=True):
        text = sentence.encode("utf-8")
        parts += [struct.pack("<I", len(text)), text, struct.pack(f"<{1 + len(ids)}I", len(ids), *ids)]
        parts.append(struct.pack(f"<I{len(output)}f", len(output), *output))
    return b"".join(parts)


def _info(kit: Kit, files: Sequence[str], reason: str) -> str:
    """The text of ``model.properties``, which the class ``ModelInfo`` reads."""
    manifest = kit.manifest
    form = form_of(manifest)
    # What no answer reads is left where it is.
    task = _task(manifest)
    outputs = manifest.outputs if task.per_token or task.per_vocabulary else manifest.outputs[:1]
    texts = [name for name in (TOKENIZER, COMPILED_TOKENIZER) if (kit.bundle / name).is_file()]
    digests = "".join(file_entry(kit.bundle / name).sha256 for name in [*files, *texts])
    values = {
        "name": manifest.name,
        "version": hashlib.sha256(digests.encode()).hexdigest()[:16],
        "dim": _row(manifest),
        "max_length": manifest.max_length,
        "pad_id": manifest.pad_id,
        "prompt": manifest.prompt,
        "kind": manifest.kind,
        "activation": manifest.activation,
        "per_token": str(_task(manifest).per_token).lower(),
        "singles": str(_singles(manifest)).lower(),
        "mask_id": -1 if manifest.mask_id is None else manifest.mask_id,
        "mask": _mask(kit),
        "spelled": str(_spelled(kit)).lower(),
        "takes_pairs": str(_task(manifest).pairs).lower(),
        "method": camel_case(_task(manifest).method),
        "no_tokenizer": reason,
        "vectors": "" if form is None else form.spec,
        "vector_codes": "" if form is None else form.codes,
    }
    lists: dict[str, Sequence[object]] = {
        "file": files,
        "abi": _abis(kit),
        "input": [info.name for info in manifest.inputs],
        "type": [info.dtype for info in manifest.inputs],
        "output": [info.name for info in outputs],
        "output_type": [info.dtype for info in outputs],
        "length": manifest.lengths,
        "label": manifest.labels,
        "vector_scale": [] if form is None else form.entry.scales,
    }
    if _task(manifest) is MULTI_VECTOR:
        for kind in (QUERY, DOCUMENT):
            reading = reading_of(manifest, query=kind == QUERY)
            values |= {
                f"{kind}_prompt": reading.prompt,
                f"{kind}_length": reading.length or manifest.max_length,
                f"{kind}_expansion": reading.expansion,
                f"{kind}_filler": reading.filler,
                f"{kind}_attend": str(reading.attend).lower(),
            }
            lists[f"{kind}_skipped"] = reading.skipped
    lines = [f"{key}={_escaped(str(value))}" for key, value in values.items()]
    lines += [
        f"{key}.{number}={_escaped(str(value))}"
        for key, items in lists.items()
        for number, value in enumerate(items)
    ]
    return "\n".join(lines) + "\n"


def _singles(manifest: Manifest) -> bool:
    """Whether outputs have a single number for each token."""
    return _task(manifest).per_token and len(manifest.outputs[0].axes) < 3


def _row(manifest: Manifest) -> object:
    """Elements of a row of an output."""
    return 1 if _singles(manifest) else manifest.outputs[0].axes[-1]


def _mask(kit: Kit) -> str:
    """What marks a masked place, for a model that fills them; else empty."""
    return mask_token(kit) if _task(kit.manifest) is MASKED_LM else ""


def _spelled(kit: Kit) -> bool:
    """Whether answers name tokens of the vocabulary."""
    return bool(_mask(kit)) or (
        _task(kit.manifest) is CAUSAL_LM and kit.tokenizer_json is not None and not kit.manifest.tokenizer
    )


def _escaped(value: str) -> str:
    """A value as `java.util.Properties` reads it."""
    for char, name in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("\f", "\\f")):
        value = value.replace(char, name)
    return f"\\{value}" if value.startswith(" ") else value


def _abis(kit: Kit) -> list[str]:
    """Platforms whose native lookups are in ``lib/``."""
    place = kit.bundle / "lib"
    return sorted(path.name for path in place.iterdir()) if place.is_dir() else []


def _libraries(kit: Kit) -> str:
    abis = _abis(kit)
    if not abis:
        return "The model needs no native code but the runtime's own."
    return (
        f"The lookups are native: `../lib` has them for {', '.join(abis)}. On any other phone, opening the model fails with a one-line error; "
        "a bundle with builtin ops runs on every phone."
    )


def _text(reason: str, manifest: Manifest) -> str:
    opened = f'        TextModel model = Edgeemb.open(context, "{java(manifest.name)}");   // away from the main thread'
    if reason:
        return f"{opened}\n        float[] result = model.encodeIds(ids);\n\n   **No text**: {reason}. Make the ids yourself, with the model's `tokenizer.json`."
    return f"{opened}\n        {_CALLS.get(_task(manifest).method, _CALLS['encode'])}"


def _task(manifest: Manifest) -> Task:
    """What the model is for; a model of whose outputs nothing is known gives them as an embedding does."""
    return TASKS.get(manifest.kind, EMBEDDING)
