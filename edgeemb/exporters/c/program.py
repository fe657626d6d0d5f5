"""`model.c` of a model with everything that `model.h` says of it: the program that a C export is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import ExportError
from edgeemb.exporters.c.arena import Buffer, Plan, plan_arena
from edgeemb.exporters.c.encoder import Encoder, Relative, Words
from edgeemb.exporters.c.input import Input
from edgeemb.exporters.c.lookup import Lowering, array_bytes
from edgeemb.exporters.c.packing import on_grids, padded, widest_input
from edgeemb.exporters.c.pieces.answers import with_answers
from edgeemb.exporters.c.pieces.attended import attended_api, attended_code, reach
from edgeemb.exporters.c.pieces.interaction import with_choice_of_vectors
from edgeemb.exporters.c.pieces.masked import masked_result, with_choice
from edgeemb.exporters.c.pieces.two_texts import with_types
from edgeemb.exporters.c.pieces.words import scratch_floats, word_function
from edgeemb.exporters.c.result import FOR_TEXT, Result, for_tokens
from edgeemb.exporters.c.scaling import settle_factors
from edgeemb.exporters.c.source.files import Arrays, encoder_text
from edgeemb.exporters.writers import Request
from edgeemb.models.torch.model import Model
from edgeemb.tables import Table, encode

#: The widest row that the integer sums have room for: see the bound in `runtimes/micro/dot.h`.
MAX_WIDTH = 4096


@dataclass(frozen=True)
class Call:
    """How a program is called.

    :param given: what goes in.
    :param tokens: of the longest text.
    :param text_bytes: working memory that the tokenizer takes; 0 where no text goes in.
    :param pairs: whether pairs of texts go in.
    :param answers: whether these are questions and texts, and parts of the texts come out.
    :param top: tokens that come out for a place of a masked language model.
    :param compared: whether texts are read as queries or documents, of whose vectors some are left out.
    :param filled: tokens that queries are filled up to with some to which no other attends; 0 for no such tokens.
    """

    given: Input
    tokens: int
    text_bytes: int
    pairs: bool
    answers: bool = False
    top: int = 0
    compared: bool = False
    filled: int = 0

    def plan(self, buffers: Sequence[Buffer]) -> Plan:
        """The arena.

        :param buffers: the working memory of the model.
        """
        if self.answers:
            return plan_arena(with_answers(buffers, self.tokens))
        if self.compared:
            return plan_arena(with_choice_of_vectors(buffers))
        return plan_arena(with_types(buffers) if self.pairs else buffers)


@dataclass(frozen=True)
class Program:
    """A program.

    :param text: `model.c`.
    :param plan: the arena.
    :param result: what comes out.
    :param rows: ids lie in [0, rows); 0 where no ids go in.
    :param outputs: elements of the result, or of a row of it.
    :param layers: layers of the encoder.
    :param rooms: folders of ``runtimes`` whose headers it includes.
    :param api: declarations for `model.h` beside those that every program has.
    :param remarks: remarks for the user.
    """

    text: str
    plan: Plan
    result: Result
    rows: int
    outputs: int
    layers: int
    rooms: tuple[str, ...]
    api: str = ""
    remarks: tuple[str, ...] = field(default=())


def encoder_program(request: Request, model: Model, encoder: Encoder, arrays: Arrays, call: Call) -> Program:
    """The program of a transformer encoder.

    :param request: what to write.
    :param model: its model.
    :param encoder: the parts of the model.
    :param arrays: where the numbers go.
    :param call: how it is called.
    :raises ExportError: if a layer is too wide for the kernels, or its window too small for what queries are filled up to.
    """
    encoder, remarks = on_grids(settle_factors(encoder), request.grids)
    weights = {"word_row": encoder.word, "position_row": encoder.position}
    tables = {
        symbol: table_of(request, model, weight)
        for symbol, weight in weights.items()
        if isinstance(weight, str)
    }
    functions, scratch = [], 0
    if isinstance(encoder.word, Words):
        functions.append(word_function(encoder.word, arrays))
        scratch = scratch_floats(encoder.word)
    for symbol, table in tables.items():
        function, floats = row_function(table, symbol, arrays)
        functions.append(function)
        scratch = max(scratch, floats)
    if widest_input(encoder) > MAX_WIDTH:
        raise ExportError(
            f"a layer with {widest_input(encoder)} inputs is too wide for the C runtime, which takes {MAX_WIDTH}"
        )
    capacity = padded(call.tokens)
    relative = None if encoder.relative is None else _relative(request, model, encoder.relative, capacity)
    buffers = arrays.packing.buffers(encoder, call.tokens, scratch, call.text_bytes)
    result = for_tokens(encoder.task) if encoder.per_token else FOR_TEXT
    packing, outputs = arrays.packing, encoder.outputs
    if encoder.decoder is not None:
        word, outputs = tables["word_row"], call.top
        alias = _alias(model, encoder.decoder.table)
        result = masked_result(encoder.decoder, word, alias, arrays, call.top, model.mask_id)
        buffers = with_choice(buffers, word, call.top, packing.vectors)
    plan = call.plan(buffers)
    text = encoder_text(
        encoder,
        arrays,
        plan,
        functions,
        capacity,
        call.given,
        result,
        model.prompt,
        relative,
        bool(call.filled),
    )
    rows = tables["word_row"].shape[0] if "word_row" in tables else 0
    layers = len(encoder.layers)
    api = "" if result.calls else packing.api
    if call.filled:
        far = reach(encoder, call.tokens)
        if far < min(call.filled, call.tokens):
            raise ExportError(
                f"the model fills queries up to {call.filled} tokens, but its layers see {far - 1} to either side: export it for another runtime"
            )
        api += attended_api(arrays.prefix, far)
        text += attended_code(arrays.prefix, far, packing.pieces(encoder)["alone"])
    return Program(text, plan, result, rows, outputs, layers, packing.rooms, api, remarks)


def table_of(request: Request, model: Model, weight: str) -> Table:
    """The compressed table of a weight, or the weight itself if the request leaves it unchanged.

    :param request: what to write.
    :param model: its model.
    :param weight: path of the weight in the module.
    """
    alias = _alias(model, weight)
    return request.tables.get(alias) or encode(model.table_weight(alias), "fp32", name=alias)


def _alias(model: Model, weight: str) -> str:
    """The alias of the table with a weight."""
    return next(table.alias for table in model.tables if table.name == weight)


def row_function(table: Table, symbol: str, arrays: Arrays) -> tuple[str, int]:
    """The function that writes a row of a table, and the floats of scratch memory that it takes.

    :param table: the table.
    :param symbol: name of the function.
    :param arrays: where the table goes.
    """
    places = {name: f"({arrays.add_table(array_bytes(table, name))})" for name in table.arrays}
    lowering = Lowering(table, symbol, places)
    return lowering.function(symbol), lowering.scratch


def _relative(request: Request, model: Model, relative: Relative, capacity: int) -> NDArray[np.float32]:
    """What is added to scores by the distance of key and query, from 1 - capacity on: float32[heads, 2 * capacity]."""
    table = table_of(request, model, relative.weight)
    distances = np.arange(1 - capacity, capacity + 1, dtype=np.int64)
    return np.ascontiguousarray(table.rows(relative.buckets(distances)).T, np.float32)
