"""Where finished models and their files are found, in the layouts of optimum, transformers.js and sentence-transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from edgeemb.errors import ModelError
from edgeemb.files import read_config, read_text
from edgeemb.models.huggingface.sentence_files import (
    POOLING,
    read_pooling,
    read_prompts,
    read_settings,
    read_stages,
)
from edgeemb.models.huggingface.tokenizer import FILE, FolderTokenizer, read_tokenizer
from edgeemb.text.tokenizer import MAX_BYTES, parse_tokenizer

_CHECKPOINTS = ("model.safetensors", "model.safetensors.index.json")
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
#: Where a finished model lies in the folder of its model.
FOLDERS = (".", "onnx")
#: Names of variants without their ending, the most exact first.
_VARIANTS = (
    *("model", "model_optimized", "model_fp16", "model_quantized", "model_int8", "model_uint8"),
    *("model_qint8_avx512_vnni", "model_q4", "model_q4f16", "model_bnb4"),
)


def find_finished(folder: Path, *, allow_pickle: bool) -> Path | None:
    """The finished model of a folder that holds no other weights; None if there is none.

    :param folder: any folder.
    :param allow_pickle: whether a pickled checkpoint counts as weights.
    :raises ModelError: if there are several and their names do not say which is meant.
    """
    weights = (*_CHECKPOINTS, *(_PICKLES if allow_pickle else ()))
    if any((folder / name).is_file() for name in weights):
        return None
    found = sorted(path for place in FOLDERS for path in (folder / place).glob("*.onnx"))
    chosen = choose_variant([path.relative_to(folder).as_posix() for path in found], str(folder))
    return None if chosen is None else folder / chosen


def choose_variant(names: Sequence[str], where: str) -> str | None:
    """The finished model that is meant among several: the most exact of those with a usual name, or the only one.

    :param names: paths, relative to the folder of the model.
    :param where: what to call that folder in an error.
    :return: one of them; None where none is an ``.onnx`` file.
    :raises ModelError: if there are several and their names do not say which is meant.
    """
    found = sorted(name for name in names if name.endswith(".onnx"))
    by_stem = {PurePosixPath(name).stem: name for name in reversed(found)}
    known = [by_stem[stem] for stem in _VARIANTS if stem in by_stem]
    if not known and len(found) > 1:
        raise ModelError(
            f"{where} holds {len(found)} finished models ({', '.join(found[:4])}): give the file that you mean"
        )
    return next(iter(known or found), None)


@dataclass(frozen=True)
class Belongings:
    """What the files around a finished model say of it.

    :param tokenizer: its tokenizer, or None.
    :param pooling: how token vectors are pooled; empty where nothing is said.
    :param normalize: whether vectors get length 1.
    :param prompt: what the model expects in front of each text.
    :param prompts: prompts by name, of which one can be chosen instead.
    :param labels: names of its classes.
    :param max_length: tokens of the longest text; None where nothing is said.
    """

    tokenizer: FolderTokenizer | None = None
    pooling: tuple[str, ...] = ()
    normalize: bool = False
    prompt: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    max_length: int | None = None


def read_belongings(path: Path, tokenizer: Path | None) -> Belongings:
    """Read what belongs to a finished model: in its folder, or one folder up.

    :param path: the model's file.
    :param tokenizer: its ``tokenizer.json`` where the user names one.
    :raises ModelError: if a file is damaged.
    """
    if tokenizer is not None and tokenizer.name != FILE:
        own = parse_tokenizer(read_text(tokenizer, MAX_BYTES, ModelError), str(tokenizer))
        own.no_truncation()
        own.no_padding()
        return Belongings(FolderTokenizer(own, file=tokenizer))
    near = (path.parent, path.resolve().parent.parent)
    home = (
        tokenizer.parent
        if tokenizer is not None
        else next((at for at in near if (at / FILE).is_file()), None)
    )
    if home is None:
        return Belongings()
    stages = read_stages(home) if (home / "modules.json").is_file() else []
    settings = read_settings(home) if stages else {}
    read = read_tokenizer(home, lowercase=settings.get("do_lower_case") is True)
    limit = settings.get("max_seq_length")
    pooling = next((place for kind, place in stages if kind == POOLING), None)
    prompt, prompts = read_prompts(home, stages)
    return Belongings(
        read,
        pooling=read_pooling(pooling) if pooling is not None and (pooling / "config.json").is_file() else (),
        normalize=bool(stages) and stages[-1][0] == "Normalize",
        prompt=prompt,
        prompts=prompts,
        labels=_labels(home / "config.json"),
        max_length=limit if isinstance(limit, int) and limit > 0 else read.max_length,
    )


def _labels(path: Path) -> tuple[str, ...]:
    names = read_config(path).get("id2label") if path.is_file() else None
    if not isinstance(names, dict) or not all(str(key).isdigit() for key in names):
        return ()
    return tuple(str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0])))
