"""Writer for ExecuTorch: a program for XNNPACK with the tables inside, of batch one and free length."""

from __future__ import annotations

import os
import shutil
import traceback
from pathlib import Path
from typing import Any

import executorch
import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram

from edgeemb.body.grids import Grids
from edgeemb.bundle.pte import PROGRAM
from edgeemb.errors import ExportError, first_line
from edgeemb.exporters.layers import first_apart, in_words, results_of
from edgeemb.exporters.writers import Apart, Request, Written, headless, left_alone
from edgeemb.models.torch.model import Model
from edgeemb.native.libraries import find_sources, python_package
from edgeemb.quiet import quiet
from edgeemb.runtimes.executorch.build import op_sources
from edgeemb.torch_tables.placing import other_uses

with quiet():
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
        XnnpackDynamicallyQuantizedPartitioner,
        XnnpackPartitioner,
    )
    from executorch.exir import (
        EdgeCompileConfig,
        EdgeProgramManager,
        ExecutorchBackendConfig,
        to_edge_transform_and_lower,
    )

    from edgeemb.exporters.executorch.body import quantize_body
    from edgeemb.exporters.executorch.linear import fuse_activations
    from edgeemb.exporters.executorch.passes import keep_reduced_axes, share_products
    from edgeemb.exporters.executorch.report import delegation
    from edgeemb.exporters.executorch.tables import SEAL, heads_of, with_tables
    from edgeemb.exporters.executorch.tops import fuse_tops, keep_best

#: Name of the file of separate tables, whose ending is ``.ptd``.
TABLES = "tables"
#: Where a bundle with custom ops carries the source of their kernels: an app compiles it in, since it links its own ExecuTorch.
KIT = "kit/executorch"
#: Longest size of an axis that nothing is known about.
LONGEST = 256
#: Tokens of the longest text where no `lengths` are asked for: memory for attention is planned ahead, and grows with their square.
LONGEST_TEXT = 512
#: Tokens that every text is padded to where a model does not trace with free lengths and no `lengths` are asked for.
FIXED_LENGTH = 128
#: Version of the program's schema: ExecuTorch has had one so far.
SCHEMA = 0

#: What torch.export and the lowering raise; these have no common base class.
_FAILURES = (
    RuntimeError,
    ValueError,
    TypeError,
    AssertionError,
    AttributeError,
    NotImplementedError,
    KeyError,
    IndexError,
)


def write(request: Request, folder: Path) -> Written:
    """Write ``model.pte``, and ``tables.ptd`` if the tables go into a separate file.

    A text model takes one text at a time, of any length up to the model's longest or `LONGEST_TEXT` (or the longest of `lengths`): activations are planned
    ahead for the largest input, and a batch would multiply them. The session runs the texts of a batch one after another.

    :param request: what to write.
    :param folder: an existing folder.
    :raises ExportError: if the model cannot be traced or lowered.
    """
    model = request.model
    left = other_uses(
        model.module,
        {alias: model.module.get_parameter(model.table(alias).name) for alias in request.tables},
        model.example_inputs,
    )
    heads, whole = heads_of(model)
    left |= headless(request.tables, heads) | {alias: whole[alias] for alias in request.tables.keys() & whole}
    tables = {alias: table for alias, table in request.tables.items() if alias not in left}
    notes = left_alone(request, left)
    module = with_tables(model, tables, request.ops, heads, sealed=request.tables_apart)
    notes += quantize_body(module, request.body, request.grids, native=request.ops == "custom")
    if request.head is not None:
        notes += keep_best(module, request.head, [tables[alias] for alias in tables if alias in heads])
    quantized = request.body != "fp32" or bool(request.grids.found)
    fixed: tuple[int, ...] = ()
    with quiet():
        try:
            edge = _edge(model.name, module, _inputs(model, request.lengths), quantized=quantized)
        except ExportError as error:
            if not _free_length(model):
                raise
            length = max(request.lengths, default=min(model.max_length or FIXED_LENGTH, FIXED_LENGTH))
            edge = _edge(model.name, module, (_padded(model, length), ()), quantized=quantized)
            fixed = (length,)
            notes.append(
                f"every text is padded to {length} tokens, as the model has no form for texts of any length ({first_line(error)})"
            )
        try:
            done = edge.to_executorch(
                ExecutorchBackendConfig(external_constants=_place if request.tables_apart else False)
            )
        except _FAILURES as error:
            raise ExportError(
                f"{model.name} cannot be written as an ExecuTorch program: {first_line(error)}"
            ) from error
    with (folder / PROGRAM).open("wb") as file:
        done.write_to_file(file)
    if request.tables_apart:
        done.write_tensor_data_to_file(str(folder))
    if request.ops == "custom":
        _copy_sources(folder / KIT)
    notes.append(str(delegation(done)))
    longest = max(request.lengths or fixed, default=LONGEST_TEXT)
    cut = not request.lengths and model.max_length > longest
    if cut:
        notes.append(
            f"texts are cut at {longest} tokens, for which memory is planned; the model takes {model.max_length}: name longer lengths for more"
        )
    return Written(
        opset=SCHEMA,
        notes=tuple(notes),
        max_length=longest if cut or (model.takes_text and (request.lengths or fixed)) else 0,
        left=tuple(left),
        lengths=fixed,
        heads=tuple(sorted(heads.keys() & tables)),
    )


def locate(apart: Apart) -> str | None:
    """The first table or layer where the module that is lowered differs from its original; the runtime itself shows no results of layers."""
    model = apart.model.torch_model()
    module = with_tables(model, apart.tables, "builtin", heads_of(model)[0])
    quantize_body(module, apart.body, Grids())
    wanted, found = (results_of(each, model, apart.feeds) for each in (model.module, module))
    return in_words(first_apart(wanted, found, apart.floor), model, apart.tables)


def _place(node: fx.Node) -> str | None:
    """Name of the file, without its ending, that a constant goes into; None for the program itself."""
    return TABLES if SEAL in node.name else None


def _inputs(model: Model, lengths: tuple[int, ...]) -> tuple[tuple[Tensor, ...], tuple[dict[int, Any], ...]]:
    """Example inputs, and per input the axes that may vary with their bounds."""
    text = model.tokenizer_json is not None or model.words is not None
    longest = max(lengths, default=min(model.max_length, LONGEST_TEXT) or LONGEST)
    if model.max_length and longest > model.max_length:
        raise ExportError(f"--lengths {longest}: {model.name} takes at most {model.max_length} tokens")
    dims: dict[str, Any] = {}
    examples, shapes = [], []
    for info, example in zip(model.inputs, model.example_inputs, strict=True):
        names = {axis: name for axis, name in enumerate(info.axes) if isinstance(name, str)}
        if text:
            names = {axis: name for axis, name in names.items() if name != "batch"}
            example = example[:1]
        for axis, name in names.items():
            dims.setdefault(name, Dim(name, min=1, max=max(longest, example.shape[axis])))
        examples.append(example)
        shapes.append({axis: dims[name] for axis, name in names.items()})
    return tuple(examples), tuple(shapes)


def _free_length(model: Model) -> bool:
    return model.takes_text and model.inputs[0].axes[1:2] == ("length",)


def _padded(model: Model, length: int) -> tuple[Tensor, ...]:
    """Example inputs of one text that is padded to a length."""
    return tuple(
        nn.functional.pad(
            example[:1, :length], (0, 0) * (example.dim() - 2) + (0, max(length - example.shape[1], 0))
        )
        for example in model.example_inputs
    )


def _edge(
    name: str,
    module: nn.Module,
    inputs: tuple[tuple[Tensor, ...], tuple[dict[int, Any], ...]],
    *,
    quantized: bool,
) -> EdgeProgramManager:
    """The lowered program for example inputs and the axes that vary; none do where the second is empty."""
    program = _trace(name, module, *inputs)
    keep_reduced_axes(program)
    share_products(program)
    fuse_activations(program)
    fuse_tops(program)
    return _lower(name, program, quantized=quantized)


def _trace(
    name: str, module: nn.Module, examples: tuple[Tensor, ...], shapes: tuple[dict[int, Any], ...]
) -> ExportedProgram:
    try:
        with torch.no_grad():
            return torch.export.export(module, examples, dynamic_shapes=shapes or None, strict=False)
    except _FAILURES as error:
        raise ExportError(f"{name} cannot be traced{_where(error)}: {first_line(error)}") from error


def _lower(name: str, program: ExportedProgram, *, quantized: bool) -> EdgeProgramManager:
    partitioners = [XnnpackDynamicallyQuantizedPartitioner()] if quantized else []
    try:
        return to_edge_transform_and_lower(
            program,
            partitioner=[*partitioners, XnnpackPartitioner()],
            # Our ops, and the stock quantised lookups, are not among those that the check knows.
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )
    except _FAILURES as error:
        raise ExportError(f"{name} cannot be lowered to ExecuTorch: {first_line(error)}") from error


def _where(error: BaseException) -> str:
    """The deepest line of the model's own source on the way to an error, as `` at file:line (code)``."""
    libraries = [os.path.dirname(torch.__file__), *executorch.__path__, str(python_package())]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(frame.filename.startswith(folder) for folder in libraries)
        and frame.filename.endswith(".py")
    ]
    return f" at {frames[-1].filename}:{frames[-1].lineno} ({frames[-1].line})" if frames else ""


def _copy_sources(kit: Path) -> None:
    runtimes = find_sources() / "runtimes"
    for source in op_sources():
        (kit / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(runtimes / source, kit / source)
