"""Static embeddings: model2vec folders, and those of sentence-transformers' StaticEmbedding.

Such a model is a table, and a text's vector the mean of its tokens' rows. It is built as a small ONNX graph, without torch. What model2vec
does to the text (https://github.com/MinishLab/model2vec) is kept: no special tokens; unknown tokens do not count, by the mask inside the
graph; a row is ``embeddings[mapping[id]] * weights[id]`` where these are there (without a mapping the weights are part of the rows); the mean is normalised where the config says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from edgeemb.errors import ModelError
from edgeemb.files import MAX_CONFIG_BYTES, inside, read_config, read_json
from edgeemb.models.huggingface.tokenizer import FolderTokenizer, read_plain_tokenizer
from edgeemb.models.onnx.model import MAX_LENGTH, OnnxModel, build
from edgeemb.models.onnx.places import Belongings
from edgeemb.models.static.graph import StaticWeights, static_graph

if TYPE_CHECKING:
    from edgeemb.models.torch.model import Model
    from edgeemb.vectors.fit import Projection
    from edgeemb.vocabulary.prune import Pruned

# Its names in a checkpoint: model2vec's and sentence-transformers'.
_MODEL2VEC_TABLE = "embeddings"
_CHECKPOINT_NAMES = (_MODEL2VEC_TABLE, "embedding.weight")


@dataclass(frozen=True, kw_only=True)
class StaticModel(OnnxModel):
    """A static model as a graph in memory.

    The other parameters are those of `edgeemb.models.onnx.model.OnnxModel`.

    :param held: its arrays.
    """

    held: StaticWeights = field(repr=False)

    @property
    def runtimes(self) -> tuple[str, ...]:
        """All: it can be a torch module too."""
        return ()

    @property
    def default_body(self) -> str | None:
        """``fp32``: there is nothing else than the table to convert."""
        return "fp32"

    def token_weight(self) -> NDArray[np.float32]:
        """The row of each token id, float32[ids, dim]."""
        held = self.held
        return held.embeddings if held.mapping is None else held.embeddings[held.mapping]

    def row_frequency(self, tokens: NDArray[np.float64]) -> NDArray[np.float64]:
        """How often each row is looked up, by the tokens that are mapped to it.

        :param tokens: float64[ids], how often each token id is.
        :return: float64[rows], positive.
        """
        if self.held.mapping is None:
            return tokens
        rows = np.bincount(self.held.mapping, tokens, minlength=len(self.held.embeddings))
        return np.asarray(np.maximum(rows, tokens.min()), np.float64)

    def with_tokens(self, pruned: Pruned) -> StaticModel:
        """A model that knows only some tokens, and holds only their rows.

        :param pruned: the tokens and their tokenizer.
        """
        held = self.held
        rows = pruned.kept if held.mapping is None else held.mapping[pruned.kept]
        used, mapping = np.unique(rows, return_inverse=True)
        tokenizer = Tokenizer.from_str(pruned.tokenizer_json)
        smaller = StaticWeights(
            embeddings=held.embeddings[rows if held.mapping is None else used],
            mapping=None if held.mapping is None else mapping.astype(np.int64),
            weights=None if held.weights is None else held.weights[pruned.kept],
            unknown=None if held.unknown is None else pruned.new_id(held.unknown),
            normalize=held.normalize,
        )
        return _model(smaller, tokenizer, self.source, self.name, self.max_length)

    def with_projection(self, projection: Projection) -> StaticModel:
        """A model whose rows are projected: a mean of projected rows is the projected mean, so that the table gets smaller too.

        :param projection: what is done to its vectors.
        """
        rows = self.held.embeddings
        rows = rows[:, : projection.dim] if projection.matrix is None else rows @ projection.matrix.T
        held = replace(self.held, embeddings=np.ascontiguousarray(rows), normalize=True)
        tokenizer = Tokenizer.from_str(str(self.tokenizer_json))
        return _model(held, tokenizer, self.source, self.name, self.max_length)

    def torch_model(self) -> Model:
        """The same model as a torch module, for the writers that trace one."""
        from edgeemb.models.static.module import static_module

        return static_module(self)


def is_static(folder: Path) -> bool:
    """Whether a folder holds a static model.

    :param folder: any path.
    :raises ModelError: if its ``config.json`` or ``modules.json`` is damaged.
    """
    modules = folder / "modules.json"
    if _is_model2vec(folder, folder):
        return True
    return modules.is_file() and [kind for kind, _ in _stages(modules)][:1] == ["StaticEmbedding"]


def _is_model2vec(folder: Path, root: Path) -> bool:
    """Whether a folder is one of model2vec: by its config, or, if that names no kind, by the name of its table."""
    config = read_config(folder / "config.json") if (folder / "config.json").is_file() else {}
    if "model_type" in config:
        return bool(config["model_type"] == "model2vec")
    path = root / "model.safetensors"
    if not path.is_file() or not (root / "tokenizer.json").is_file():
        return False
    try:
        with safe_open(path, framework="numpy") as held:
            return _MODEL2VEC_TABLE in held.keys()  # noqa: SIM118
    except (SafetensorError, OSError):
        return False


def load_static(folder: Path, *, source: str, name: str, max_length: int | None = None) -> StaticModel:
    """Load a static model.

    :param folder: holds ``model.safetensors``, ``tokenizer.json`` and, of model2vec, ``config.json``.
    :param source: what the user called it.
    :param name: name of the model.
    :param max_length: tokens of the longest text; by default what model2vec's config says, else 512, as it cuts.
    :raises ModelError: if something is missing, damaged or does not fit together.
    """
    modules = folder / "modules.json"
    stages = (_stages(modules) if modules.is_file() else []) or [("", "")]
    config = read_config(folder / "config.json") if (folder / "config.json").is_file() else {}
    root = inside(folder, stages[0][1], modules)
    tokenizer = read_plain_tokenizer(root)
    model2vec = _is_model2vec(folder, root)
    normalize = any(kind == "Normalize" for kind, _ in stages[1:]) or (
        model2vec and config.get("normalize") is True
    )
    unknown = _unknown(tokenizer) if model2vec else None
    held = _read(root / "model.safetensors", unknown, normalize)
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
    if largest >= held.ids:
        raise ModelError(
            f"{root}: the tokenizer gives ids up to {largest}, but the model has {held.ids}: correct one of them"
        )
    said = config.get("max_length") if model2vec else None
    limit = said if isinstance(said, int) and said > 0 else MAX_LENGTH
    return _model(held, tokenizer, source, name, max_length or limit)


def _stages(path: Path) -> list[tuple[str, str]]:
    """Kind and folder of each stage in a ``modules.json``."""
    value = read_json(path, MAX_CONFIG_BYTES, ModelError)
    if not isinstance(value, list) or not all(isinstance(stage, dict) for stage in value):
        raise ModelError(f"{path} is not a list of modules: copy it again")
    return [(str(stage.get("type")).rsplit(".", 1)[-1], str(stage.get("path", ""))) for stage in value]


def _read(path: Path, unknown: int | None, normalize: bool) -> StaticWeights:
    if not path.is_file():
        raise ModelError(f"{path} is missing: copy the whole folder")
    try:
        arrays = load_file(path)
    except (SafetensorError, OSError, KeyError) as error:
        raise ModelError(f"{path} is truncated or not a safetensors file ({error}): copy it again") from error
    table = next((arrays[name] for name in _CHECKPOINT_NAMES if name in arrays), None)
    if table is None or table.ndim != 2 or not table.size or table.dtype.kind not in "fi":
        raise ModelError(f"{path} holds no matrix {' or '.join(_CHECKPOINT_NAMES)}: it is not a static model")
    mapping, weights = arrays.get("mapping"), arrays.get("weights")
    if mapping is not None and (
        mapping.ndim != 1
        or mapping.dtype.kind not in "iu"
        or mapping.min() < 0
        or mapping.max() >= len(table)
    ):
        raise ModelError(
            f"{path}: mapping does not give a row of the table ({len(table)} rows) for each token"
        )
    ids = len(table if mapping is None else mapping)
    if weights is not None and weights.shape != (ids,):
        raise ModelError(f"{path}: weights has shape {weights.shape}, there are {ids} tokens: copy it again")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{path}: tensor {name} holds NaN or infinite values: train or copy it again")
    rows = table.astype(np.float32)
    if weights is not None and mapping is None:
        # Each token has a row of its own, which can carry its weight.
        rows, weights = rows * weights.astype(np.float32)[:, None], None
    return StaticWeights(
        embeddings=rows,
        mapping=None if mapping is None else mapping.astype(np.int64),
        weights=None
        if weights is None
        else weights.astype(weights.dtype if weights.dtype == np.float16 else np.float32),
        unknown=unknown,
        normalize=normalize,
    )


def _unknown(tokenizer: Tokenizer) -> int | None:
    """Id of the unknown token: WordPiece, BPE and WordLevel name the token, Unigram its place."""
    if hasattr(tokenizer.model, "unk_token"):
        token = tokenizer.model.unk_token
        return None if token is None else tokenizer.token_to_id(token)
    place = json.loads(tokenizer.to_str())["model"].get("unk_id")
    return place if isinstance(place, int) else None


def _model(held: StaticWeights, tokenizer: Tokenizer, source: str, name: str, max_length: int) -> StaticModel:
    return build(
        StaticModel,
        static_graph(held),
        source=source,
        name=name,
        path=None,
        belongings=Belongings(FolderTokenizer(Tokenizer.from_str(_without_special_tokens(tokenizer)))),
        max_length=max_length,
        pooling="mean",
        normalize=held.normalize,
        held=held,
    )


def _without_special_tokens(tokenizer: Tokenizer) -> str:
    document: dict[str, Any] = json.loads(tokenizer.to_str())
    document["post_processor"] = None
    return json.dumps(document, ensure_ascii=False)
