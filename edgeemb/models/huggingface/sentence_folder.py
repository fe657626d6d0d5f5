"""The modules of the stages that a sentence-transformers folder lists after the body."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from edgeemb.errors import ModelError
from edgeemb.files import read_config
from edgeemb.models.huggingface.checkpoint import read_weights
from edgeemb.models.huggingface.modules import Dense, Normalize, Pooling
from edgeemb.models.huggingface.sentence_files import MASKING, read_pooling

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "Identity": nn.Identity,
    "Tanh": nn.Tanh,
    "ReLU": nn.ReLU,
    "GELU": nn.GELU,
    "Sigmoid": nn.Sigmoid,
}


#: Tensors of a dense layer.
_DENSE = ("linear.weight", "linear.bias", "residual.weight")


def build_head(
    stages: list[tuple[str, Path]], width: int, *, allow_pickle: bool
) -> tuple[Pooling, nn.Sequential]:
    """The modules of the stages after the body.

    :param stages: as ``read_stages`` gives them, without the body; none means average the token vectors.
    :param width: elements of a token vector.
    :param allow_pickle: read a dense layer's pickled checkpoint where there is no safetensors file.
    :return: the pooling, and what follows it.
    :raises ModelError: if a stage's files are missing, damaged or of an unknown kind, or sizes do not fit.
    """
    if not stages:
        return Pooling(["mean"]), nn.Sequential()
    pooling = Pooling(read_pooling(stages[0][1], width))
    return pooling, build_parts(stages[1:], width * len(pooling.modes), allow_pickle=allow_pickle)


def build_token_head(
    stages: list[tuple[str, Path]], width: int, *, normalize: bool, matrix: Path | None, allow_pickle: bool
) -> nn.Sequential:
    """The modules after the body of a multi-vector model.

    :param stages: as ``read_stages`` gives them, without the body.
    :param width: elements of a token vector.
    :param normalize: whether vectors have length 1 even if no stage says so.
    :param matrix: folder of a checkpoint that also holds the matrix which token vectors go through; None for none.
    :param allow_pickle: read a pickled checkpoint where there is no safetensors file.
    :raises ModelError: as `build_head`.
    """
    head = build_parts([stage for stage in stages if stage[0] != MASKING], width, allow_pickle=allow_pickle)
    if matrix is not None:
        weight = read_weights(matrix, allow_pickle=allow_pickle).get(_DENSE[0])
        if weight is None or weight.ndim != 2 or weight.shape[1] != width:
            raise ModelError(
                f"{matrix}: the checkpoint has no {_DENSE[0]} for {width} elements: copy it again"
            )
        head.append(_linear(weight, None))
    if normalize and not (len(head) and isinstance(head[-1], Normalize)):
        head.append(Normalize())
    return head


def build_parts(stages: list[tuple[str, Path]], width: int, *, allow_pickle: bool) -> nn.Sequential:
    """The modules of stages that change vectors.

    :param stages: each of `edgeemb.models.huggingface.sentence_files.HEADS`.
    :param width: elements of a vector.
    :param allow_pickle: read a pickled checkpoint where there is no safetensors file.
    :raises ModelError: as `build_head`.
    """
    head = nn.Sequential()
    for kind, folder in stages:
        parts, width = _PARTS[kind](folder, width, allow_pickle)
        head.extend(parts)
    return head


def _normalize(folder: Path, width: int, allow_pickle: bool) -> tuple[list[nn.Module], int]:
    return [Normalize()], width


def _layer_norm(folder: Path, width: int, allow_pickle: bool) -> tuple[list[nn.Module], int]:
    weights = read_weights(folder, allow_pickle=allow_pickle)
    held = {name.removeprefix("norm."): tensor.float() for name, tensor in weights.items()}
    norm = nn.LayerNorm(width)
    if {name: tensor.shape for name, tensor in held.items()} != {
        name: tensor.shape for name, tensor in norm.state_dict().items()
    }:
        raise ModelError(
            f"{folder}: the checkpoint is not that of a normalisation of {width} elements: copy it again"
        )
    norm.load_state_dict(held)
    return [norm], width


def _dense(folder: Path, width: int, allow_pickle: bool) -> tuple[list[nn.Module], int]:
    dense = _read_dense(folder, allow_pickle)
    if dense.linear.in_features != width:
        raise ModelError(
            f"{folder}: the layer takes {dense.linear.in_features} elements and gets {width}: copy it again"
        )
    parts: list[nn.Module] = [dense] if dense.beside is not None else [dense.linear, dense.activation]
    return parts, dense.linear.out_features


#: What each stage of `edgeemb.models.huggingface.sentence_files.HEADS` becomes: (folder, width, allow_pickle) to modules and their width.
_PARTS = {"Dense": _dense, "LayerNorm": _layer_norm, "Normalize": _normalize}


def _read_dense(folder: Path, allow_pickle: bool) -> Dense:
    path = folder / "config.json"
    config = read_config(path)
    name = str(config.get("activation_function", "Tanh")).rsplit(".", 1)[-1]
    if name not in _ACTIVATIONS:
        raise ModelError(
            f"{path}: activation {name!r} is not supported; supported are {', '.join(_ACTIVATIONS)}"
        )
    weights = read_weights(folder, allow_pickle=allow_pickle)
    weight, bias, beside = (weights.pop(key, None) for key in _DENSE)
    if weight is None or weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]) or weights:
        raise ModelError(f"{folder}: the checkpoint is not that of a dense layer: copy it again")
    around: nn.Module | None = None
    if config.get("use_residual"):
        # Where the sizes differ, what goes past the layer has a matrix of its own.
        if (beside is None) != (weight.shape[0] == weight.shape[1]) or (
            beside is not None and beside.shape != weight.shape
        ):
            raise ModelError(
                f"{folder}: the checkpoint is not that of a dense layer with a residual path: copy it again"
            )
        around = nn.Identity() if beside is None else _linear(beside, None)
    elif beside is not None:
        raise ModelError(f"{folder}: the checkpoint has a residual path and {path.name} none: copy it again")
    return Dense(_linear(weight, bias), _ACTIVATIONS[name](), around)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.load_state_dict({"weight": weight.float()} | ({} if bias is None else {"bias": bias.float()}))
    return layer
