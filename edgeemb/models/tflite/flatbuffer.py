"""Reading and writing .tflite files: a FlatBuffer of schema 3, optionally followed by a zip with the associated files of TFLite Metadata.

The Python packer of the schema knows nothing about alignment, and the LiteRT C API requires constants at multiples of 64 bytes: buffers are
packed by `_AlignedBuffer`. Buffers that lie outside of the FlatBuffer (``Buffer.offset`` and ``size``, as ai-edge-quantizer writes them)
are taken in, since TensorFlow Lite Micro cannot read them.
"""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeemb.bundle.reading import ZIP_ERRORS
from edgeemb.bundle.tflite import IDENTIFIER, check_graphs
from edgeemb.errors import ExportError, ModelError, first_line
from edgeemb.models.tflite.checks import check_fields

#: Alignment of constants, in bytes.
ALIGNMENT = 64
#: FlatBuffers address 2 GiB; larger files cannot hold their buffers inside.
MAX_BYTES = 2**31 - 2**20
#: Labels and vocabularies, all together.
MAX_ASSOCIATED_BYTES = 2**28

#: What the generated reader raises where bytes are not what they should be.
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, UnicodeDecodeError)


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose data begins at a multiple of `ALIGNMENT`."""

    def Pack(self, builder: Any) -> Any:
        data = (
            np.ascontiguousarray(self.data).view(np.uint8).reshape(-1)
            if self.data is not None
            else np.empty(0, np.uint8)
        )
        place = None
        if len(data):
            builder.StartVector(1, len(data), ALIGNMENT)
            builder.head = builder.Head() - len(data)
            builder.Bytes[builder.Head() : builder.Head() + len(data)] = data.data
            builder.vectorNumElems = len(data)
            place = builder.EndVector()
        schema.BufferStart(builder)
        if place is not None:
            schema.BufferAddData(builder, place)
        return schema.BufferEnd(builder)


def read_tflite(path: Path) -> tuple[Any, bytes]:
    """Read a finished model.

    :param path: the file.
    :return: the model as the schema's ``ModelT`` with all buffers inside, and the zip of associated files (empty if there is none).
    :raises ModelError: if the file is missing, larger than 2 GiB, truncated, or no TFLite model.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError(f"{path} has {size} bytes: TFLite models of 2 GiB and more are not supported")
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): check the path") from None
    return parse_tflite(content, str(path)), _associated_files(content, str(path))


def parse_tflite(content: bytes, where: str) -> Any:
    """The model in the bytes of a file, with its external buffers taken in.

    :param content: the bytes.
    :param where: what to call them in an error.
    :return: the schema's ``ModelT``.
    :raises ModelError: if they are not a TFLite model, or are truncated.
    """
    if content[4:8] != IDENTIFIER:
        raise ModelError(f"{where} is not a TFLite model (it lacks the mark TFL3): give a .tflite file")
    try:
        check_graphs(content)
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        check_fields(model)
        for buffer in model.buffers:
            if buffer.offset > 1:
                if buffer.size < 0 or buffer.offset + buffer.size > len(content):
                    raise ModelError(f"{where} is truncated: a buffer extends past its end; copy it again")
                buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
                buffer.offset = buffer.size = 0
    except _DAMAGE as error:
        raise ModelError(f"{where} is damaged or truncated ({error}): copy it again") from None
    return model


def _list(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in values]


def _associated_files(content: bytes, where: str) -> bytes:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return b""
    copied = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(copied, "w") as new:
            if sum(info.file_size for info in old.infolist()) > MAX_ASSOCIATED_BYTES:
                raise ModelError(f"the files that {where} carries are too large: give a model without them")
            for info in old.infolist():
                new.writestr(info, old.read(info))
    except ZIP_ERRORS as error:
        raise ModelError(
            f"the files that {where} carries are damaged ({first_line(error)}): copy it again"
        ) from None
    return copied.getvalue()


def write_tflite(model: Any, path: Path, associated: bytes = b"") -> None:
    """Write a model with aligned buffers, and append its associated files.

    :param model: a ``ModelT``.
    :param path: the file to write.
    :param associated: a zip as `read_tflite` gave it, or empty.
    :raises ExportError: if the model is too large for the format.
    """
    path.write_bytes(pack_tflite(model))
    if associated:
        with zipfile.ZipFile(io.BytesIO(associated)) as old, zipfile.ZipFile(path, "a") as new:
            for info in old.infolist():
                new.writestr(info, old.read(info))


def pack_tflite(model: Any) -> bytes:
    """The bytes of a model. Buffers that nothing refers to are emptied first.

    :param model: a ``ModelT``.
    :raises ExportError: if the model is too large for the format.
    """
    _empty_unused(model)
    model.buffers = [_aligned(buffer) for buffer in model.buffers]
    size = sum(len(buffer.data) + 2 * ALIGNMENT for buffer in model.buffers if buffer.data is not None)
    if size > MAX_BYTES:
        raise ExportError(
            f"the model needs {size} bytes, a TFLite file holds less than 2 GiB: compress its tables or body further"
        )
    builder = flatbuffers.Builder(size + 2**20)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _aligned(buffer: Any) -> _AlignedBuffer:
    made = _AlignedBuffer()
    made.data = buffer.data
    return made


def _empty_unused(model: Any) -> None:
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or []}
    used |= set(_list(model.metadataBuffer))
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None


def opcode_name(code: Any) -> str:
    """Name of an operator code: that of a builtin op, or the custom op's own.

    :param code: the schema's ``OperatorCodeT``.
    """
    number = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
    if number == schema.BuiltinOperator.CUSTOM:
        return str(code.customCode.decode() if isinstance(code.customCode, bytes) else code.customCode)
    return _NAMES.get(number, f"builtin op {number}")


_NAMES: dict[int, str] = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}


#: Tensor types by numpy name.
TENSOR_TYPES: dict[str, int] = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int64": schema.TensorType.INT64,
    "int32": schema.TensorType.INT32,
    "int16": schema.TensorType.INT16,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "bool": schema.TensorType.BOOL,
}


#: The numpy name of each of those types.
NUMPY_TYPES = {number: name for name, number in TENSOR_TYPES.items()}
