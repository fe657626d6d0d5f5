"""What is seldom said about an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeemb.errors import SpecError

#: How lookups are written.
Ops = Literal["builtin", "custom"]


@dataclass(frozen=True)
class ExportOptions:
    """What is seldom said about an export.

    :param calibrate: text, one a line, on which a quantised body is prepared and smaller vectors are fitted: the closer to what the app embeds,
        the better; by default the packaged sentences.
    :param seed: seed of what is random in a fit; equal seeds give equal bundles.
    :param tables_apart: put the tables into a separate file (ExecuTorch only).
    :param aar: also pack the Android kit into one archive, kit/edgeemb.aar, which an app includes as it is; needs a compiler of Java.
    :param as_zip: write one zip file instead of a folder.
    :param max_length: cut texts at this many tokens; by default the model's own limit.
    :param tokenizer: the tokenizer.json of a finished .onnx model; by default the one next to it or one folder up.
    :param pooling: how a finished .onnx that gives a vector per token makes one per text: mean, cls, max and so on, several joined by +.
    :param normalize: scale the vectors of a finished .onnx to length 1.
    :param task: for a folder of transformers: what the model is for, such as embedding; by default what its files say.
    :param route: for a sentence-transformers folder with several routes: which one to take, such as query; by default the folder's.
    :param adapter: for a folder of transformers: the adapter that is merged into the weights: one of the model's own by name, such as retrieval.query, or a
        folder of peft's (LoRA) or its name on the hub; by default the one beside the weights, if any.
    :param module: the model is named as package.module:function, a function of your own that is imported and called; it gives (module, example_inputs)
        or (module, example_inputs, axes).
    :param example_inputs: an .npz file of inputs to compare a finished .onnx without text on; by default they are made up.
    :param unchecked: write the bundle though the original runs on no input that could be made up, so that nothing is compared with it.
    :param allow_pickle: read a checkpoint that only comes as a pickle (its tensors only, no code is run).
    :raises SpecError: if a value is not possible.
    """

    calibrate: str | Path | None = None
    seed: int = 0
    tables_apart: bool = False
    aar: bool = False
    as_zip: bool = False
    max_length: int | None = None
    tokenizer: Path | None = None
    pooling: str | None = None
    normalize: bool = False
    task: str | None = None
    route: str | None = None
    adapter: str | None = None
    module: bool = False
    example_inputs: Path | None = None
    unchecked: bool = False
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        if self.max_length is not None and self.max_length < 1:
            raise SpecError(f"max_length={self.max_length} is out of range: use 1 or more")
