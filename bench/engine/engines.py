"""The engines of `bench.engine`: this project's bundles in every runtime, and other toolkits with recipes of their own.

OpenVINO and CTranslate2 are not among the project's dependencies: ``pip install openvino nncf ctranslate2`` beside it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

import edgeemb
from edgeemb.errors import NativeError
from edgeemb.models.lines import sample_feeds
from edgeemb.models.torch.model import Model
from edgeemb.training.distillation import encoder_of

#: Lengths that runtimes with fixed ones are exported for.
FIXED = (16, 64, 128)
LONGEST = 128

Ids = Sequence[int]
Call = Callable[[], object]
Vector = NDArray[np.float32]


class Engine(ABC):
    """A model that is open in one engine."""

    #: Whether the matrix products are this project's.
    ours = False

    @classmethod
    @abstractmethod
    def write(cls, model: Model, folder: Path) -> None:
        """Write the model's files.

        :param model: the float32 model.
        :param folder: does not exist yet.
        """

    @abstractmethod
    def __init__(self, model: Model, folder: Path, threads: int) -> None:
        """:param model: what `write` got. :param folder: what it wrote. :param threads: threads of a call."""

    @abstractmethod
    def call(self, ids: Ids) -> Call:
        """One run over the ids of a text, everything prepared."""

    @abstractmethod
    def encode(self, text: str) -> Vector:
        """Text in, vector out: float32[D]."""


class _Bundle(Engine):
    runtime: str
    ops: Literal["builtin", "custom"] = "builtin"
    lengths: Sequence[int] = ()

    @classmethod
    def write(cls, model: Model, folder: Path) -> None:
        edgeemb.export(
            model, folder, target="linux-x64", runtime=cls.runtime, ops=cls.ops, table="int4:block=32",
            body="int8", lengths=cls.lengths,
        )  # fmt: skip

    def __init__(self, model: Model, folder: Path, threads: int) -> None:
        self.session = edgeemb.open(folder, threads=threads, allow_code=True)

    def call(self, ids: Ids) -> Call:
        return self.session.engine.bare(self.session.feeds([list(ids)]))

    def encode(self, text: str) -> Vector:
        vector: Vector = self.session.encode([text])[0]
        return vector


class C(_Bundle):
    """The C engine."""

    ours = True
    runtime = "c"
    lengths = (LONGEST,)


class OnnxCustom(_Bundle):
    """ONNX Runtime with this project's ops."""

    ours = True
    runtime = "onnx"
    ops = "custom"


class Onnx(_Bundle):
    """ONNX Runtime with its own ops."""

    runtime = "onnx"


class TFLite(_Bundle):
    """LiteRT with its own ops."""

    runtime = "tflite"
    lengths = FIXED


class ExecuTorch(_Bundle):
    """ExecuTorch with XNNPACK."""

    runtime = "executorch"


class OpenVINO(Engine):
    """OpenVINO on the CPU, int8 by NNCF: SmoothQuant, static ranges and bias correction, calibrated on the packaged sentences as our bodies are."""

    @classmethod
    def write(cls, model: Model, folder: Path) -> None:
        os.environ.setdefault("NNCF_CI", "1")  # NNCF sends no statistics then
        nncf, openvino = _peer("nncf"), _peer("openvino")
        import torch

        example = tuple(torch.from_numpy(array) for array in model.examples()[0].values())
        graph = openvino.convert_model(model.module.eval(), example_input=example)
        feeds = sample_feeds(model, None, 0)
        graph = nncf.quantize(
            graph,
            nncf.Dataset(feeds, lambda given: list(given.values())),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(feeds),
            fast_bias_correction=False,
        )
        folder.mkdir()
        openvino.save_model(graph, str(folder / "model.xml"))

    def __init__(self, model: Model, folder: Path, threads: int) -> None:
        core = _peer("openvino").Core()
        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        self._request = core.compile_model(str(folder / "model.xml"), "CPU", settings).create_infer_request()
        self._tokenizer = Tokenizer.from_str(model.tokenizer_json or "")
        self._tokenizer.no_padding()

    def call(self, ids: Ids) -> Call:
        feeds = [np.array([ids], np.int64), np.ones((1, len(ids)), np.int64)]
        return lambda: self._request.infer(feeds)

    def encode(self, text: str) -> Vector:
        found: Any = self.call(self._tokenizer.encode(text).ids)()
        vector: Vector = found[0][0]
        return vector


class CTranslate2(Engine):
    """CTranslate2, int8 by its converter; the mean of the states is taken by numpy."""

    @classmethod
    def write(cls, model: Model, folder: Path) -> None:
        converters = _peer("ctranslate2.converters")
        with tempfile.TemporaryDirectory() as scratch:
            body: Any = encoder_of(model).body
            body.save_pretrained(scratch)
            Path(scratch, "tokenizer.json").write_text(model.tokenizer_json or "", "utf-8")
            converted = Path(scratch, "converted")
            converters.TransformersConverter(scratch).convert(str(converted), quantization="int8")
            shutil.move(converted, folder)

    def __init__(self, model: Model, folder: Path, threads: int) -> None:
        peer = _peer("ctranslate2")
        self._encoder = peer.Encoder(str(folder), "cpu", compute_type="int8", intra_threads=threads)
        self._tokenizer = Tokenizer.from_str(model.tokenizer_json or "")
        self._tokenizer.no_padding()

    def call(self, ids: Ids) -> Call:
        return lambda: self._encoder.forward_batch([list(ids)])

    def encode(self, text: str) -> Vector:
        output: Any = self.call(self._tokenizer.encode(text).ids)()
        mean = np.array(output.last_hidden_state)[0].mean(0)
        vector: Vector = mean / np.linalg.norm(mean)
        return vector


ENGINES: dict[str, type[Engine]] = {
    "c": C,
    "onnx-custom": OnnxCustom,
    "onnx": Onnx,
    "tflite": TFLite,
    "executorch": ExecuTorch,
    "openvino": OpenVINO,
    "ctranslate2": CTranslate2,
}


def _peer(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise NativeError(f"{name} is not installed: pip install openvino nncf ctranslate2") from None
