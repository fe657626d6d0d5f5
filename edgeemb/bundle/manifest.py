"""A bundle: the folder that an export writes, and the manifest that describes it. Reading needs no exporter."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from msgspec import Meta

from edgeemb.errors import BundleError
from edgeemb.files import checked, parse_json, read_text

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
#: The same, compiled (`edgeemb.text.compiled`); older bundles, and tokenizers that cannot be compiled, come without.
COMPILED_TOKENIZER = "tokenizer.bin"
GOLDEN = "golden.json"
#: Version of the manifest that this edgeemb writes; it reads this one and every earlier one.
SCHEMA = 1

MAX_MANIFEST_BYTES = 16 * 2**20

# What a manifest may say: sizes in bytes and counts, names, and lists that no honest bundle exceeds.
Count = Annotated[int, Meta(ge=0, le=2**53)]
Length = Annotated[int, Meta(ge=1, le=2**24)]
Name = Annotated[str, Meta(max_length=1024)]
Text = Annotated[str, Meta(max_length=2**20)]
Figure = Annotated[float, Meta(ge=-1e300, le=1e300)]


@dataclass(frozen=True)
class FileEntry:
    """A file of a bundle: its size in bytes and its SHA-256 in hexadecimal."""

    bytes: Count
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


#: Types that an input or an output may have.
DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)


@dataclass(frozen=True)
class ArrayEntry:
    """An array of a stored table: its numpy dtype and its shape."""

    dtype: Name
    shape: Annotated[list[Count], Meta(max_length=8)]


@dataclass(frozen=True)
class TableEntry:
    """A table of a bundle.

    :param spec: how it is stored.
    :param rows: V.
    :param dim: D.
    :param bytes: stored bytes, scales and codebooks included.
    :param arrays: the stored arrays by name.
    """

    spec: Name
    rows: Count
    dim: Count
    bytes: Count
    arrays: dict[Name, ArrayEntry]


@dataclass(frozen=True)
class BodyStep:
    """Something that was done to a body before it was written, such as smoothing: its name, and how."""

    name: Name
    details: Text


@dataclass(frozen=True)
class BodyEntry:
    """How everything but the tables was made.

    :param spec: of its matrix products, such as ``int4:block=32,gptq``.
    :param layers: specs of single layers, by the names that were given for them.
    :param steps: what was done, in order.
    :param calibration: the inputs that it was done on.
    """

    spec: Name
    layers: dict[Name, Name] = field(default_factory=dict)
    steps: list[BodyStep] = field(default_factory=list)
    calibration: Text = ""


@dataclass(frozen=True)
class VectorsEntry:
    """What the vectors of a bundle are, and how they are stored (`edgeemb.vectors`). The model gives `dim` floats of length 1; an app stores
    their codes.

    :param spec: such as ``pca=128+int8``.
    :param dim: dimensions of a vector.
    :param dtype: numpy type of a stored vector.
    :param width: elements of a stored vector.
    :param measure: how two stored vectors are compared: ``cosine`` or ``hamming``.
    :param scales: what a step of the codes stands for, or a plane of bits; empty where no scale is stored.
    :param fitted: stands for what a projection was fitted on: vectors of another one are others. Empty where nothing was fitted.
    :param calibration: the texts that it was fitted on.
    :param agreement: correlation of the cosines of all pairs of these texts, in full and as stored.
    """

    spec: Name
    dim: Length
    dtype: Name
    width: Length
    measure: Name
    scales: Annotated[list[Figure], Meta(max_length=16)] = field(default_factory=list)
    fitted: Name = ""
    calibration: Text = ""
    agreement: Figure = 1.0

    @property
    def nbytes(self) -> int:
        """Bytes of a stored vector: all codes are of one byte."""
        return self.width * (4 if self.dtype == "float32" else 1)


#: Prompts for the two kinds of text that are compared with each other, where a model reads them differently.
QUERY, DOCUMENT = "query", "document"


@dataclass(frozen=True)
class LateInteraction:
    """How a multi-vector model reads queries and documents, with the prompts of these names in front (ColBERT, https://arxiv.org/abs/2004.12832).

    :param query_length: tokens of the longest query, special tokens and prompt included; a longer one is cut.
    :param document_length: the same of a document.
    :param expansion: tokens that shorter queries are filled up to, each with a vector of its own; 0 for no filling.
    :param filler: id of the token that they are filled up with.
    :param attend: whether the other tokens attend to these; if not, the mask leaves them out.
    :param skipped: ids of tokens whose vectors are left out.
    :param skips: prompts of the texts where they are.
    """

    query_length: Length
    document_length: Length
    expansion: Count = 0
    filler: Count | None = None
    attend: bool = False
    skipped: Annotated[list[Count], Meta(max_length=2**16)] = field(default_factory=list)
    skips: Annotated[list[Name], Meta(max_length=16)] = field(default_factory=lambda: [DOCUMENT])


@dataclass(frozen=True)
class TensorEntry:
    """An input or output of the model: name, numpy dtype, axes (a name where the size varies), and, for ids, the bound of their table."""

    name: Name
    dtype: Name
    axes: Annotated[list[Name | Count], Meta(max_length=8)]
    rows: Count | None = None


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says.

    :param schema: version of this layout.
    :param name: short name of the model.
    :param source: where the model came from.
    :param kind: name of its task (see `edgeemb.tasks.registry`); ``module`` where nothing is known of its outputs.
    :param runtime: format of the model: ``onnx``, ``tflite``, ``executorch`` or ``c``.
    :param ops: ``custom`` where native op libraries are in ``lib/``, else ``builtin``.
    :param target: name of the target.
    :param opset: version of the format's op set.
    :param body: precision of everything but the tables.
    :param tables: the tables by alias.
    :param inputs: inputs of the model.
    :param outputs: outputs of the model.
    :param lengths: sequence lengths that have their own signature; empty if the length is free.
    :param bounds: largest size of an axis, by its name, where the model cannot take more: a position that it does not have, for example.
    :param pad_id: id that fills up shorter texts of a batch.
    :param max_length: tokens of the longest text, special tokens included; 0 without a tokenizer.
    :param interaction: how queries and documents are read, for a multi-vector model that says it; None for others.
    :param tokenizer: ``words`` where the first input holds the bytes of words (see `edgeemb.text.words`), as wide as its last axis; empty where
        ``tokenizer.json`` turns texts into ids, or the model takes no text.
    :param pooling: how token vectors become one, or None.
    :param normalize: whether vectors have length 1.
    :param labels: names of the classes.
    :param activation: what makes probabilities or scores of a classifier's logits: ``softmax``, ``sigmoid``, or nothing.
    :param prompt: what is put in front of each text.
    :param prompts: prompts by name, of which one can be chosen instead.
    :param mask_id: id of the token that stands for a masked place; None where there is none.
    :param sizes: bytes by part: ``tables``, ``body``, ``tokenizer``, ``libraries``, ``kit``, ``total``.
    :param parity: ``sentences`` or ``examples`` compared with the original, ``cosine_mean`` and ``cosine_min`` of the worst output; of several outputs
        also ``<output>.<measure>_mean`` and ``_min`` (docs/bundle.md says by which measures).
    :param vocabulary: report of a pruned vocabulary, or None.
    :param plan: what the planner chose and what it chose from (see `edgeemb.planner.planning.Plan`), or None.
    :param recipe: how the body was made; None where it stayed as it came.
    :param vectors: what its vectors are, where an export made them smaller; None for floats as the model gives them.
    :param files: every other file of the bundle, by its path with ``/``.
    :param command: the command that wrote the bundle.
    :param versions: versions of what wrote it.
    :param notes: remarks of the export, such as tables that were not changed.
    """

    name: Name
    source: Text
    kind: Name
    runtime: Name
    ops: Name
    target: Name
    opset: Count
    body: Name
    tables: dict[Name, TableEntry]
    inputs: Annotated[list[TensorEntry], Meta(max_length=1024)]
    outputs: Annotated[list[TensorEntry], Meta(max_length=1024)]
    max_length: Count
    pooling: Name | None
    normalize: bool
    sizes: dict[Name, int]
    parity: dict[Name, int | Figure]
    files: dict[Name, FileEntry]
    command: Text
    versions: dict[Name, Name]
    lengths: list[Length] = field(default_factory=list)
    bounds: dict[Name, Length] = field(default_factory=dict)
    pad_id: Count = 0
    labels: list[Name] = field(default_factory=list)
    activation: Name = ""
    prompt: Text = ""
    prompts: dict[Name, Text] = field(default_factory=dict)
    mask_id: Count | None = None
    interaction: LateInteraction | None = None
    tokenizer: Name = ""
    vocabulary: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    recipe: BodyEntry | None = None
    vectors: VectorsEntry | None = None
    notes: list[Text] = field(default_factory=list)
    schema: Length = SCHEMA

    def filler(self, info: TensorEntry) -> int:
        """The value that pads an input of the model after the end of a text: the padding id for ids, otherwise 0.

        :param info: one of `inputs`.
        """
        return self.pad_id if info.name == self.inputs[0].name and info.rows is not None else 0

    def to_json(self) -> str:
        """The text of ``manifest.json``."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class _Versioned:
    """The part that every version of a manifest has."""

    schema: Length


@dataclass(frozen=True)
class _Candidate:
    spec: Name
    bytes: Count
    cosine: Figure


@dataclass(frozen=True)
class _Planned:
    """What is shown of a plan."""

    table: Name
    goal: Name
    sentences: Count
    tried: Count
    choice: _Candidate
    frontier: list[_Candidate]


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a bundle.

    :param folder: the bundle.
    :raises BundleError: if there is none, it is damaged, or it is of a newer schema.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} is not a bundle: it holds no {MANIFEST}; make one with edgeemb export")
    return parse_manifest(read_text(path, MAX_MANIFEST_BYTES, BundleError), path)


def parse_manifest(text: str, path: Path) -> Manifest:
    """Check the text of a manifest.

    :param text: what it says.
    :param path: what to call it in an error.
    :raises BundleError: if it is damaged, or of a newer schema.
    """
    values = parse_json(text, path, BundleError)
    try:
        schema = checked(values, _Versioned).schema
    except ValueError:
        raise BundleError(
            f"{path} is not a manifest: it has no schema version; export the bundle again"
        ) from None
    if schema > SCHEMA:
        raise BundleError(f"{path} has schema {schema}, this edgeemb reads up to {SCHEMA}: update edgeemb")
    try:
        manifest = checked(values, Manifest)
        if manifest.plan is not None:
            checked(manifest.plan, _Planned)
        for part in ("tables", "body", "total"):
            if part not in manifest.sizes:
                raise ValueError(f"sizes lack '{part}'")
        for info in (*manifest.inputs, *manifest.outputs):
            if info.dtype not in DTYPES:
                raise ValueError(f"'{info.name}' has the dtype '{info.dtype[:40]}'")
    except ValueError as error:
        raise BundleError(f"{path} is damaged ({error}): export the bundle again") from None
    for name in manifest.files:
        if not stays_inside(name):
            raise BundleError(
                f"{path} names the file '{name}', which lies outside the bundle: do not use this bundle"
            )
    return manifest


def stays_inside(name: str) -> bool:
    """Whether a name in a manifest or an archive is a plain relative path, which cannot lead out of the bundle's folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name
