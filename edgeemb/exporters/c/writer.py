"""Writer for bare metal: C99 sources with a static arena, for any compiler and any 32-bit microcontroller.

A bundle holds `model.c`, `model.h`, the weights and the headers of the kernels; nothing else is needed to compile it. Everything but the
tables is int8 with a scale per output, or 4 bits with a scale per block of inputs; activations are quantised per token at run time.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import ExportError
from edgeemb.exporters.c.arena import Plan, plan_arena
from edgeemb.exporters.c.encoder import Encoder, Relative, Words
from edgeemb.exporters.c.input import Input, ids_input
from edgeemb.exporters.c.locate import first_difference
from edgeemb.exporters.c.lookup import Lowering, array_bytes
from edgeemb.exporters.c.packing import Packing, on_grids, padded, widest_input
from edgeemb.exporters.c.pairs import PAIRS
from edgeemb.exporters.c.panels import PANELS
from edgeemb.exporters.c.reading import read_encoder
from edgeemb.exporters.c.result import FOR_TEXT, for_tokens
from edgeemb.exporters.c.scaling import settle_factors
from edgeemb.exporters.c.source import Arrays, header_text, model_text
from edgeemb.exporters.c.two_texts import pairs_api, pairs_code, with_types
from edgeemb.exporters.c.vectors import vectors_api, vectors_code
from edgeemb.exporters.c.weights import write_weights
from edgeemb.exporters.c.words import scratch_floats, word_function, words_input
from edgeemb.exporters.tokenizer import refusal
from edgeemb.exporters.writers import Apart, Request, Written
from edgeemb.models.torch_model import Model
from edgeemb.native.libraries import find_sources, runtime_sources
from edgeemb.runtimes.c.sources import symbol_prefix
from edgeemb.tables import Table, encode
from edgeemb.text.compiled import compile_tokenizer
from edgeemb.text.compiled.reading import arena_bytes
from edgeemb.text.words import MIN_TOKENS

#: Version of the generated interface.
VERSION = 1
#: How weights may lie, by the name that targets use.
PACKINGS: dict[str, Packing] = {packing.name: packing for packing in (PAIRS, PANELS)}
#: Longest text where nothing is said about it: most sentences are shorter, and memory grows with it.
DEFAULT_TOKENS = 128
#: What is set aside for code and stack when a model is held against a budget before it is built, in bytes.
CODE_BYTES = 32 * 1024
STACK_BYTES = 4 * 1024
#: The widest row that the integer sums have room for: see the bound in `runtimes/micro/dot.h`.
_MAX_WIDTH = 4096


def write(request: Request, folder: Path) -> Written:
    """Write the sources.

    :param request: what to write; `lengths` may hold one number, the tokens of the longest text.
    :param folder: an existing folder.
    :raises ExportError: if the model has a part that the kernels cannot compute, or exceeds the target's flash or RAM.
    """
    model = request.model
    encoder, remarks = on_grids(settle_factors(read_encoder(model)), request.grids)
    tokens = _tokens(request)
    tables = _tables(request, model, encoder)
    prefix = symbol_prefix(model.name)
    packing = PACKINGS[request.target.packing]
    arrays = Arrays(prefix, packing)
    functions, scratch = [], 0
    if isinstance(encoder.word, Words):
        functions.append(word_function(encoder.word, arrays))
        scratch = scratch_floats(encoder.word)
    for symbol, table in tables.items():
        lowering = Lowering(
            table, symbol, {name: f"({arrays.add_table(array_bytes(table, name))})" for name in table.arrays}
        )
        functions.append(lowering.function(symbol))
        scratch = max(scratch, lowering.scratch)
    if widest_input(encoder) > _MAX_WIDTH:
        raise ExportError(
            f"a layer with {widest_input(encoder)} inputs is too wide for the C runtime, which takes {_MAX_WIDTH}"
        )
    given, tokenizer, why_not = _input(model, encoder)
    result = for_tokens(labels=encoder.labels) if encoder.per_token else FOR_TEXT
    relative = None if encoder.relative is None else _relative(request, encoder.relative, padded(tokens))
    pairs = tokenizer is not None and model.task is not None and model.task.pairs
    reading = 0 if tokenizer is None else arena_bytes(tokenizer, 2 * tokens if pairs else tokens)
    buffers = packing.buffers(encoder, tokens, scratch, reading)
    plan = plan_arena(with_types(buffers) if pairs else buffers)
    text = model_text(
        encoder, prefix, arrays, plan, functions, padded(tokens), given, result, model.prompt, relative
    )
    text += vectors_code(request.vectors, prefix)
    more = vectors_api(request.vectors, prefix)
    if pairs:
        text += pairs_code(prefix, given.typed, plan.offsets["ids"])
        more = pairs_api(prefix) + more
    flash = write_weights(arrays, folder, {} if tokenizer is None else {"tokenizer": tokenizer})
    _check_budget(request, arrays, plan, flash)
    sizes = {
        "tokens": tokens,
        "rows": tables["word_row"].shape[0] if "word_row" in tables else 0,
        **({} if model.words is None else {"width": model.words.width}),
        **({"types": len(encoder.types)} if given.typed and encoder.types is not None else {}),
        "outputs": encoder.outputs,
        **({"per_token": 1} if encoder.per_token else {}),
        "layers": len(encoder.layers),
        "arena_bytes": plan.bytes,
        "flash_bytes": flash,
    }
    (folder / "model.c").write_text(text, "utf-8")
    header = header_text(prefix, model.name, sizes, given, result, packing, more)
    (folder / "model.h").write_text(header, "utf-8")
    _copy_headers(folder, packing.rooms)
    rows = sum(map(len, arrays.tables))
    vocabulary = 0 if tokenizer is None else len(tokenizer)
    stored = {"tables": rows, "body": flash - rows - vocabulary, "tokenizer": vocabulary, "total": flash}
    notes = [
        f"sizes are bytes in flash without code; the arena takes {plan.bytes} bytes of RAM at {tokens} tokens"
    ]
    notes += remarks
    notes += [f"takes only ids, not text: {why_not}"] if why_not else []
    taken = tuple(info.name for info in model.inputs[: 3 if given.typed else 2])
    if len(model.inputs) > len(taken):
        notes.append("takes single texts: every token has type 0, so pairs of texts need another runtime")
    return Written(opset=VERSION, notes=tuple(notes), max_length=tokens, sizes=stored, inputs=taken)


def locate(apart: Apart) -> str | None:
    """The first layer where a bundle differs from its original; see `edgeemb.exporters.c.locate.first_difference`."""
    return first_difference(apart)


def _tokens(request: Request) -> int:
    """Tokens of the longest text."""
    if len(request.lengths) > 1:
        raise ExportError(
            f"lengths {', '.join(map(str, request.lengths))}: the C runtime takes every length up to one limit, so give one length"
        )
    asked = request.lengths[0] if request.lengths else min(request.model.max_length, DEFAULT_TOKENS)
    least = MIN_TOKENS if request.model.words is not None else 1
    if not least <= asked <= min(request.model.max_length, _MAX_WIDTH):
        raise ExportError(
            f"length {asked} is outside [{least}, {request.model.max_length}], for which the model has positions"
        )
    return asked


def _input(model: Model, encoder: Encoder) -> tuple[Input, bytes | None, str]:
    """The input, the compiled tokenizer if there is one, and the reason if no text can be taken."""
    if isinstance(encoder.word, Words):
        return words_input(), None, ""
    typed = len(model.inputs) > 2 and encoder.types is not None
    why_not = refusal(model.tokenizer_json)
    if why_not or model.tokenizer_json is None:
        return ids_input(typed=typed), None, why_not
    tokenizer = compile_tokenizer(model.tokenizer_json)
    return ids_input(tokenizer, typed=typed), tokenizer, ""


def _relative(request: Request, relative: Relative, capacity: int) -> NDArray[np.float32]:
    """What is added to scores by the distance of key and query, from 1 - capacity on: float32[heads, 2 * capacity]."""
    table = _table(request, request.model, relative.weight)
    distances = np.arange(1 - capacity, capacity + 1, dtype=np.int64)
    return np.ascontiguousarray(table.rows(relative.buckets(distances)).T, np.float32)


def _tables(request: Request, model: Model, encoder: Encoder) -> dict[str, Table]:
    """The tables that are looked up, by the name of the C function that does it."""
    weights = {"word_row": encoder.word, "position_row": encoder.position}
    return {
        symbol: _table(request, model, weight)
        for symbol, weight in weights.items()
        if isinstance(weight, str)
    }


def _table(request: Request, model: Model, weight: str) -> Table:
    """The compressed table of a weight, or the weight itself if the request leaves it unchanged."""
    alias = next(table.alias for table in model.tables if table.name == weight)
    return request.tables.get(alias) or encode(model.table_weight(alias), "fp32", name=alias)


def _check_budget(request: Request, arrays: Arrays, plan: Plan, flash: int) -> None:
    """Refuse what the target cannot hold, before anything is compiled."""
    target = request.target
    sizes = {name: blob.nbytes for name, blob in arrays.blobs().items()}
    tables = sizes.pop("tables")
    if target.flash_bytes is not None and flash + CODE_BYTES > target.flash_bytes:
        raise ExportError(
            f"the model needs {flash + CODE_BYTES} bytes of flash (tables {tables}, weights {sum(sizes.values())}, code about {CODE_BYTES}), "
            f"{target.name} has {target.flash_bytes}: {flash + CODE_BYTES - target.flash_bytes} too many; use a smaller `table` or `vocab`"
        )
    need = plan.bytes + STACK_BYTES
    if target.ram_bytes is not None and need > target.ram_bytes:
        raise ExportError(
            f"the model needs {need} bytes of RAM (arena {plan.bytes}, stack about {STACK_BYTES}), {target.name} has {target.ram_bytes}: "
            f"{need - target.ram_bytes} too many; use a shorter `lengths`"
        )


def _copy_headers(folder: Path, rooms: tuple[str, ...]) -> None:
    """The kernels travel with the model."""
    root = find_sources() / "runtimes"
    for header in runtime_sources(*rooms, suffixes=(".h",)):
        (folder / header).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / header, folder / header)
