"""Loading anything that edgeemb accepts as a model. What a kind of model needs is imported only when such a model is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from edgeemb.errors import ModelError
from edgeemb.models.base import LoadedModel
from edgeemb.models.trained import INDEX
from edgeemb.quiet import quiet

if TYPE_CHECKING:
    from torch.nn import Module

    from edgeemb.models.torch.model import Model


@overload
def load(
    source: str | Path,
    *,
    allow_pickle: bool = ...,
    name: str | None = ...,
    max_length: int | None = ...,
    revision: str | None = ...,
    tokenizer: str | Path | None = ...,
    pooling: str | None = ...,
    normalize: bool = ...,
    task: str | None = ...,
    route: str | None = ...,
    adapter: str | None = ...,
    module: bool = ...,
    example_inputs: str | Path | Sequence[Any] | Mapping[str, Any] | None = ...,
) -> LoadedModel: ...


@overload
def load(
    source: Module,
    *,
    example_inputs: Sequence[Any] | Mapping[str, Any],
    axes: Mapping[str, Sequence[str | int]] | None = ...,
    name: str | None = ...,
) -> LoadedModel: ...


def load(
    source: str | Path | Module,
    *,
    example_inputs: str | Path | Sequence[Any] | Mapping[str, Any] | None = None,
    axes: Mapping[str, Sequence[str | int]] | None = None,
    allow_pickle: bool = False,
    name: str | None = None,
    max_length: int | None = None,
    revision: str | None = None,
    tokenizer: str | Path | None = None,
    pooling: str | None = None,
    normalize: bool = False,
    task: str | None = None,
    route: str | None = None,
    adapter: str | None = None,
    module: bool = False,
) -> LoadedModel:
    """Load a model for export.

    :param source: a Hugging Face, sentence-transformers or model2vec folder, one that `edgeemb distill` made, a name on the Hugging Face hub, a
        finished ``.onnx`` or ``.tflite`` file, a folder with one (``onnx/model_quantized.onnx``), or a torch module that holds ``nn.Embedding`` layers.
    :param example_inputs: for a torch module: what its ``forward`` takes, by position or by name. For a finished ``.onnx`` without text: what to
        compare it on, by position, by name or as an ``.npz`` file; by default inputs are made up.
    :param axes: for a torch module: per input a name for each axis whose size may vary, a number for each that
        may not.
    :param allow_pickle: read a checkpoint that is only there as a pickle (its tensors only, no code is run).
    :param name: name of the model; by default that of the file, folder or class.
    :param max_length: tokens of the longest text; by default what the model's configuration says.
    :param revision: branch, tag or commit on the hub.
    :param tokenizer: the ``tokenizer.json`` of a finished ``.onnx``; by default the one next to it or one folder up, if any.
    :param pooling: for a finished ``.onnx`` that gives a vector per token: how one per text is made of them, in the graph (``mean``, ``cls`` ...,
        several joined by ``+``); by default as the sentence-transformers files next to it specify.
    :param normalize: for a finished ``.onnx``: scale its vectors to length 1, in the graph.
    :param task: for a folder of transformers: what the model is for, such as ``embedding``; by default what its files say.
    :param route: for a sentence-transformers folder with several routes: which one to take, such as ``query``; by default the folder's.
    :param adapter: for a folder of transformers: the adapter that is merged into the weights. One of the model's own by its name, such as
        ``retrieval.query``, or a folder of peft's (LoRA) or its name on the hub; by default the one beside the weights, if any.
    :param module: `source` is ``package.module:function``, a function of your own that is imported and called: it gives ``(module, example_inputs)`` or
        ``(module, example_inputs, axes)``.
    :return: the model.
    :raises ModelError: if there is no such model, it is damaged, of a kind that edgeemb does not know, or needs
        a package that is not installed.
    """
    path = Path(source) if isinstance(source, (str, Path)) else None
    finished = {"pooling": pooling, "normalize": normalize, "tokenizer": tokenizer}
    chosen = {"task": task, "route": route, "adapter": adapter}
    if module:
        _refuse(
            {**finished, **chosen, "example_inputs": example_inputs, "max_length": max_length}, "other models"
        )
        return _load_factory(str(source), name)
    try:
        if path is None:
            _refuse(finished)
            _refuse(chosen, "folders of transformers")
            return _load_module(source, example_inputs, axes or {}, name)
        label = name or (path.stem if path.is_file() else path.resolve().name)
        place = path if path.exists() else _found(str(source), revision, allow_pickle)
        file = place if place.is_file() else _finished_in(place, allow_pickle)
        if file is not None:
            _refuse(chosen, "folders of transformers")
            return _load_file(file, label, max_length, example_inputs, finished)
        _refuse({**finished, "example_inputs": example_inputs})
        return _load_folder(place, str(source), label, max_length, allow_pickle, chosen)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"loading a model needs the package '{error.name}': pip install 'edgeemb[export]'"
        ) from None


def load_torch(source: str | Path | Module, **options: Any) -> Model:
    """Load a model as a torch module.

    :param source: what `load` takes, finished files aside.
    :param options: the other parameters of `load`.
    :return: the model; a torch module is copied, never changed.
    :raises ModelError: if it cannot be loaded, or is not a torch model.
    """
    return load(source, **options).torch_model()


def _refuse(options: Mapping[str, Any], what: str = "finished .onnx files") -> None:
    """Refuse options that are only for models of another kind."""
    for name, value in options.items():
        if value is not None and value is not False:
            raise ModelError(f"`{name}` is for {what} only: leave it out")


def _found(source: str, revision: str | None, allow_pickle: bool) -> Path:
    """The folder of a source that is no path: downloaded, or part of a package."""
    if Path(source).suffix in (".onnx", ".tflite"):
        raise ModelError(f"{source} does not exist: check the path")
    from edgeemb.models.huggingface.hub import find_folder

    return find_folder(source, revision=revision, allow_pickle=allow_pickle)


def _finished_in(folder: Path, allow_pickle: bool) -> Path | None:
    """The finished model of a folder without other weights, as optimum and transformers.js lay it out."""
    if not folder.is_dir() or not (any(folder.glob("*.onnx")) or any((folder / "onnx").glob("*.onnx"))):
        return None
    from edgeemb.models.onnx.places import find_finished

    return find_finished(folder, allow_pickle=allow_pickle)


def _load_factory(source: str, name: str | None) -> LoadedModel:
    from edgeemb.models.torch.factory import load_factory

    try:
        return load_factory(source, name)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"loading a model needs the package '{error.name}': pip install 'edgeemb[export]'"
        ) from None


def _load_module(
    source: Any,
    example_inputs: str | Path | Sequence[Any] | Mapping[str, Any] | None,
    axes: Mapping[str, Sequence[str | int]],
    name: str | None,
) -> LoadedModel:
    from torch import nn

    from edgeemb.models.torch.module import load_module

    if not isinstance(source, nn.Module):
        raise ModelError(
            f"a {type(source).__name__} is not a model: give a folder, a hub name, a finished file or a torch module"
        )
    if example_inputs is None or isinstance(example_inputs, (str, Path)):
        raise ModelError("a torch module needs example_inputs: a tuple or a dict of what its forward takes")
    return load_module(source, example_inputs, axes, name or type(source).__name__)


def _load_file(
    path: Path, name: str, max_length: int | None, example_inputs: Any, options: Mapping[str, Any]
) -> LoadedModel:
    if path.suffix == ".tflite":
        from edgeemb.models.tflite.model import load_tflite

        _refuse({**options, "example_inputs": example_inputs})
        return load_tflite(path, name=name)
    if path.suffix != ".onnx":
        raise ModelError(
            f"{path} is a file; expected a model folder, a hub name, a finished .onnx or .tflite file or a torch module"
        )
    from edgeemb.models.onnx.loading import load_onnx

    return load_onnx(path, name=name, max_length=max_length, example_inputs=example_inputs, **options)


def _load_folder(
    path: Path,
    source: str,
    name: str,
    max_length: int | None,
    allow_pickle: bool,
    chosen: Mapping[str, str | None],
) -> LoadedModel:
    from edgeemb.models.static.model import is_static, load_static

    if is_static(path):
        _refuse(chosen, "folders of transformers")
        return load_static(path, source=source, name=name, max_length=max_length)
    if (path / INDEX).is_file():
        from edgeemb.models.words import is_words_folder, load_words_folder

        if is_words_folder(path):
            _refuse(chosen, "folders of transformers")
            return load_words_folder(path, source=source, name=name, max_length=max_length)
    # transformers takes seconds to import and the others do not need it.
    with quiet():
        from edgeemb.models.huggingface.folder import load_folder

    return load_folder(
        path, source=source, name=name, allow_pickle=allow_pickle, max_length=max_length, **chosen
    )
