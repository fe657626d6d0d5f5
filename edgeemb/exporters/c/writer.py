"""Writer for bare metal: C99 sources with a static arena, for any compiler and any 32-bit microcontroller.

A bundle holds `model.c`, `model.h`, the weights and the headers of the kernels; nothing else is needed to compile it. Everything but the
tables is int8 with a scale per output, or 4 bits with a scale per block of inputs; activations are quantised per token at run time.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tokenizers import Tokenizer

from edgeemb.errors import ExportError
from edgeemb.exporters.c.arena import Plan
from edgeemb.exporters.c.input import Input, ids_input
from edgeemb.exporters.c.locate import first_difference
from edgeemb.exporters.c.packing import Packing
from edgeemb.exporters.c.packing.pairs import PAIRS
from edgeemb.exporters.c.packing.panels import PANELS
from edgeemb.exporters.c.pieces.answers import answers_api, answers_code
from edgeemb.exporters.c.pieces.interaction import interaction_api, interaction_code, readings
from edgeemb.exporters.c.pieces.two_texts import pairs_api, pairs_code
from edgeemb.exporters.c.pieces.vectors import vectors_api, vectors_code
from edgeemb.exporters.c.pieces.words import words_input
from edgeemb.exporters.c.program import MAX_WIDTH, Call, encoder_program
from edgeemb.exporters.c.reading import read_encoder
from edgeemb.exporters.c.result import FOR_TEXT
from edgeemb.exporters.c.source.files import Arrays, header_text
from edgeemb.exporters.c.source.weights import write_weights
from edgeemb.exporters.c.static import static_program
from edgeemb.exporters.tokenizer import refusal
from edgeemb.exporters.writers import Apart, Request, Written
from edgeemb.models.static.module import StaticEncoder
from edgeemb.models.torch.model import Model
from edgeemb.native.libraries import find_sources, runtime_sources
from edgeemb.runtimes.c import RUNTIME
from edgeemb.runtimes.c.sources import symbol_prefix
from edgeemb.runtimes.token_vectors import reading_of
from edgeemb.tasks.registry import MULTI_VECTOR
from edgeemb.text.compiled import compile_tokenizer
from edgeemb.text.compiled.reading import arena_bytes
from edgeemb.text.spellings import spellings
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


def write(request: Request, folder: Path) -> Written:
    """Write the sources.

    :param request: what to write; `lengths` may hold one number, the tokens of the longest text.
    :param folder: an existing folder.
    :raises ExportError: if the model has a part that the kernels cannot compute, or exceeds the target's flash or RAM.
    """
    model = request.model
    encoder = None if isinstance(model.module, StaticEncoder) else read_encoder(model)
    # Memory grows with the length where there are layers.
    tokens = _tokens(request, model.max_length if encoder is None else min(model.max_length, DEFAULT_TOKENS))
    prefix = symbol_prefix(model.name)
    arrays = Arrays(prefix, PACKINGS[request.target.packing])
    masked = encoder is not None and encoder.decoder is not None
    types = encoder.types if encoder is not None and len(model.inputs) > 2 and not masked else None
    given, tokenizer, why_not = _input(model, 0 if types is None else len(types))
    pairs = tokenizer is not None and model.task is not None and model.task.pairs
    reading = 0 if tokenizer is None else arena_bytes(tokenizer, 2 * tokens if pairs else tokens)
    answers = pairs and encoder is not None and encoder.per_token
    read = readings(model, tokens) if tokenizer is not None and model.task is MULTI_VECTOR else {}
    query = reading_of(model, query=True)
    filled = query.expansion if query.filled else 0
    call = Call(given, tokens, reading, pairs, answers, _top(request) if masked else 0, bool(read), filled)
    if encoder is None:
        program = static_program(request, model, arrays, call)
    else:
        program = encoder_program(request, model, encoder, arrays, call)
    plan = program.plan
    text = program.text + vectors_code(request.vectors, prefix)
    more = vectors_api(request.vectors, prefix)
    if answers:
        text += answers_code(prefix, given.typed, plan.offsets)
        more = answers_api(prefix) + more
    elif pairs:
        text += pairs_code(prefix, given.typed, plan.offsets["ids"])
        more = pairs_api(prefix) + more
    elif read and tokenizer is not None:
        text += interaction_code(prefix, read, tokens, len(tokenizer), plan.offsets["ids"])
        more = interaction_api(prefix, read) + more
    words = {} if tokenizer is None else {"tokenizer": tokenizer}
    if masked and tokenizer is not None and model.mask_id is not None:
        words["spellings"] = spellings(Tokenizer.from_str(str(model.tokenizer_json)), program.rows)
    flash = write_weights(arrays, folder, words)
    _check_budget(request, arrays, plan, flash)
    sizes = {
        "tokens": tokens,
        "rows": program.rows,
        **({} if model.words is None else {"width": model.words.width}),
        **({"types": given.types} if given.typed else {}),
        "outputs": program.outputs,
        **({"per_token": 1} if program.result is not FOR_TEXT else {}),
        "layers": program.layers,
        "arena_bytes": plan.bytes,
        "flash_bytes": flash,
    }
    (folder / "model.c").write_text(text, "utf-8")
    header = header_text(prefix, model.name, sizes, given, program.result, program.api + more)
    (folder / "model.h").write_text(header, "utf-8")
    _copy_headers(folder, program.rooms)
    rows = sum(map(len, arrays.tables))
    vocabulary = sum(map(len, words.values()))
    stored = {"tables": rows, "body": flash - rows - vocabulary, "tokenizer": vocabulary, "total": flash}
    notes = [
        f"sizes are bytes in flash without code; the arena takes {plan.bytes} bytes of RAM at {tokens} tokens"
    ]
    notes += program.remarks
    notes += [f"takes only ids, not text: {why_not}"] if why_not else []
    heads = (model.word_table.alias,) if masked else ()
    taken = tuple(info.name for info in model.inputs[: 3 if given.typed else 2])
    if len(model.inputs) > len(taken) and not masked:
        notes.append("takes single texts: every token has type 0, so pairs of texts need another runtime")
    return Written(
        opset=VERSION, notes=tuple(notes), max_length=tokens, sizes=stored, inputs=taken, heads=heads
    )


def locate(apart: Apart) -> str | None:
    """The first layer where a bundle differs from its original; see `edgeemb.exporters.c.locate.first_difference`."""
    return first_difference(apart)


def _tokens(request: Request, usual: int) -> int:
    """Tokens of the longest text: what was asked for, or what is usual."""
    if len(request.lengths) > 1:
        raise ExportError(
            f"lengths {', '.join(map(str, request.lengths))}: the C runtime takes every length up to one limit, so give one length"
        )
    asked = request.lengths[0] if request.lengths else usual
    least = MIN_TOKENS if request.model.words is not None else 1
    if not least <= asked <= min(request.model.max_length, MAX_WIDTH):
        raise ExportError(
            f"length {asked} is outside [{least}, {request.model.max_length}], for which the model has positions"
        )
    return asked


def _top(request: Request) -> int:
    """Tokens that come out for a place: what was asked for, or what is usual."""
    return request.head.top if request.head else min(RUNTIME.top, request.model.word_table.rows)


def _input(model: Model, types: int) -> tuple[Input, bytes | None, str]:
    """The input, the compiled tokenizer if there is one, and the reason if no text can be taken."""
    if model.words is not None:
        return words_input(), None, ""
    why_not = refusal(model.tokenizer_json)
    if why_not or model.tokenizer_json is None:
        return ids_input(types=types), None, why_not
    tokenizer = compile_tokenizer(model.tokenizer_json)
    return ids_input(tokenizer, types), tokenizer, ""


def _check_budget(request: Request, arrays: Arrays, plan: Plan, flash: int) -> None:
    """Refuse what the target cannot hold, before anything is compiled."""
    target = request.target
    sizes = {name: blob.nbytes for name, blob in arrays.blobs().items()}
    tables = sizes.pop("tables", 0)
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
