"""Python's readers of files from elsewhere, as targets: only an `EdgeembError` of one line may come out of one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import seeds

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Reader:
    """A reader of one kind of file.

    :param read: reads a file; the file's name ends as `suffix` says.
    :param seeds: writes small whole files into a folder.
    :param suffix: how a file's name ends.
    :param is_json: whether it is JSON.
    """

    read: Callable[[Path], object]
    seeds: Callable[[Path], object]
    suffix: str = ""
    is_json: bool = False


def _manifest(path: Path) -> None:
    from edgeemb.bundle.manifest import parse_manifest
    from edgeemb.files import read_text

    parse_manifest(read_text(path, 2**24, family()), path)


def _archive(path: Path) -> None:
    from edgeemb.runtimes.opening import checked, describe

    describe(path)
    with checked(path):
        pass


def _golden(path: Path) -> None:
    from edgeemb.bundle.golden import read_golden, read_golden_texts

    place = path.rename(path.with_name("golden.json"))
    for read in (read_golden, read_golden_texts):
        with suppress(family()):
            read(place.parent)


def _report(path: Path) -> None:
    from edgeemb.report.comparison import read_comparison

    read_comparison(path)


def _lines(path: Path) -> None:
    from edgeemb.text.corpus import numbered_lines
    from edgeemb.text.pairs import read_labelled, read_pairs

    for read in (read_pairs, read_labelled, lambda path: list(numbered_lines(path))):
        with suppress(family()):
            read(path)


def _tokenizer(path: Path) -> None:
    from edgeemb.bundle.manifest import TOKENIZER
    from edgeemb.runtimes.tokenizer import reference_tokenizer
    from edgeemb.text.compiled import compile_tokenizer
    from edgeemb.text.compiled.refusal import NotCompiled

    text = "a cat and the mats, ran away"
    place = path.rename(path.with_name(TOKENIZER))
    found = reference_tokenizer(place, 16).ids([text])[0][0]
    try:
        blob = compile_tokenizer(place.read_text("utf-8"))
    except NotCompiled:
        return
    ids = _compiled(blob, text)
    assert ids == found, f"{ids} is not {found}"


def _compiled(blob: bytes, text: str) -> list[int]:
    from edgeemb.native.tokenizer import CompiledTokenizer

    return CompiledTokenizer(blob).encode(text, max_length=16).ids.tolist()


def _blob(path: Path) -> None:
    _compiled(path.read_bytes(), "a cat and the mats, ran away")


def _tflite(path: Path) -> None:
    from edgeemb.models.tflite.model import load_tflite

    load_tflite(path).examples()


def _onnx(path: Path) -> None:
    from edgeemb.models.onnx.loading import load_onnx

    load_onnx(path)


def _external(path: Path) -> None:
    from edgeemb.runtimes.onnxruntime.external import external_files

    external_files(path)


def _safetensors(path: Path) -> None:
    from edgeemb.models.huggingface.checkpoint import read_weights
    from edgeemb.models.trained import read_arrays

    place = path.rename(path.with_name("model.safetensors"))
    with suppress(family()):
        read_arrays(place)
    read_weights(place.parent)


def _program(path: Path) -> None:
    from edgeemb.bundle.pte import check_program

    check_program(path)


READERS = {
    "manifest": Reader(_manifest, seeds.seed_manifest, is_json=True),
    "archive": Reader(_archive, seeds.seed_archive, ".zip"),
    "golden": Reader(_golden, seeds.seed_golden, is_json=True),
    "report": Reader(_report, seeds.seed_report, is_json=True),
    "lines": Reader(_lines, seeds.seed_lines),
    "tokenizer_json": Reader(_tokenizer, seeds.seed_tokenizer, is_json=True),
    "tokenizer_bin": Reader(_blob, seeds.seed_blob),
    "tflite": Reader(_tflite, seeds.seed_tflite, ".tflite"),
    "onnx": Reader(_onnx, seeds.seed_onnx, ".onnx"),
    "onnx_external": Reader(_external, seeds.seed_external, ".onnx"),
    "safetensors": Reader(_safetensors, seeds.seed_safetensors, ".safetensors"),
    "pte": Reader(_program, seeds.seed_program, ".pte"),
}


def family() -> type[Exception]:
    """What may come out of a reader."""
    from edgeemb.errors import EdgeembError

    return EdgeembError
