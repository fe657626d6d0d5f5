"""Small whole files of every kind that a reader reads, to begin from. Each function writes some into a folder."""

from __future__ import annotations

import json
from pathlib import Path


def seed_manifest(folder: Path) -> None:
    from edgeemb.bundle.manifest import FileEntry, Manifest, TableEntry, TensorEntry

    ids = TensorEntry("input_ids", "int64", ["batch", "length"], 40)
    manifest = Manifest(
        "tiny", "here", "embedding", "onnx", "builtin", "linux-x64", 18, "fp32",
        {"word": TableEntry("int4", 40, 16, 400, {"codes": {"dtype": "uint8", "shape": [40, 8]}})},
        [ids], [TensorEntry("embedding", "float32", ["batch", 16])], 64, "mean", True,
        {"tables": 1, "body": 1, "total": 2}, {"cosine_mean": 1.0}, {"model.onnx": FileEntry(3, 64 * "0")},
        "edgeemb export", {"edgeemb": "0"},
    )  # fmt: skip
    (folder / "whole").write_text(manifest.to_json(), "utf-8")


def seed_archive(folder: Path) -> None:
    import zipfile
    from dataclasses import asdict

    from edgeemb.bundle.reading import file_entry

    seed_manifest(folder)
    values = json.loads((folder / "whole").read_text("utf-8"))
    (folder / "model.onnx").write_bytes(b"abc")
    values["files"] = {"model.onnx": asdict(file_entry(folder / "model.onnx"))}
    for number, method in enumerate(
        (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
    ):
        with zipfile.ZipFile(folder / f"zip{number}", "w", method) as archive:
            archive.writestr("manifest.json", json.dumps(values))
            archive.write(folder / "model.onnx", "model.onnx")
    (folder / "model.onnx").unlink()
    (folder / "whole").unlink()


def seed_golden(folder: Path) -> None:
    for number, values in enumerate(
        (
            {"sentences": ["a"], "ids": [[1, 2]], "output": [[0.5, 1.0]]},
            {"inputs": {"x": [[1, 2]]}, "output": [1.5]},
            {"tokens": [["6162", "63"]], "output": [[1.0]]},
        )
    ):
        (folder / f"whole{number}").write_text(json.dumps(values))


def seed_report(folder: Path) -> None:
    from tests.fixtures.reports import host

    values = host().to_json()
    (folder / "one").write_text(json.dumps(values))
    (folder / "several").write_text(json.dumps({"schema": 1, "reports": [values], "ratios": []}))


def seed_lines(folder: Path) -> None:
    (folder / "pairs").write_text("score\ta\tb\n4.5\tA man eats.\tSomebody eats.\n0\tx\ty\n", "utf-8")
    (folder / "labelled").write_text("text\tlabel\nwhere is it\tmail\nplay\tmusic\n", "utf-8-sig")


def seed_tokenizer(folder: Path) -> None:
    from tests.fixtures.models import tiny_tokenizer

    for family in ("bert", "roberta", "xlm-roberta"):
        values = json.loads(tiny_tokenizer(family).to_str())
        (folder / family).write_text(json.dumps(values, ensure_ascii=False), "utf-8")


def seed_blob(folder: Path) -> None:
    from edgeemb.text.compiled import compile_tokenizer

    seed_tokenizer(folder)
    for path in list(folder.iterdir()):
        path.write_bytes(compile_tokenizer(path.read_text("utf-8")))


def seed_tflite(folder: Path) -> None:
    import numpy as np

    from edgeemb.models.tflite.flatbuffer import pack_tflite
    from edgeemb.tables import encode
    from tests.fixtures.models.tflite_files import lookup_model, table_model

    weight = np.linspace(-1, 1, 64, dtype=np.float32).reshape(16, 4)
    for op in ("GATHER", "EMBEDDING_LOOKUP"):
        (folder / op).write_bytes(pack_tflite(lookup_model(weight, op=op)))
    (folder / "custom").write_bytes(pack_tflite(table_model(encode(weight, "int8"), "tflite", custom=False)))


def seed_onnx(folder: Path) -> None:
    from onnx import TensorProto

    from tests.fixtures.models.onnx_files import encoder

    for number, options in enumerate(
        ({}, {"through": "Constant"}, {"types": True, "ids": TensorProto.INT32})
    ):
        (folder / f"whole{number}").write_bytes(encoder(size=8, **options).SerializeToString())


def seed_external(folder: Path) -> None:
    from onnx import external_data_helper

    from tests.fixtures.models.onnx_files import encoder

    seed_onnx(folder)
    model = encoder(size=8)
    external_data_helper.convert_model_to_external_data(model, location="model.data", size_threshold=0)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    (folder / "external").write_bytes(model.SerializeToString())


def seed_safetensors(folder: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    arrays = {"a": np.ones((2, 3), np.float32), "b": np.ones(4, np.uint8), "c": np.ones((0, 2), np.int64)}
    save_file(arrays, folder / "whole", metadata={"format": "np"})


def seed_program(folder: Path) -> None:
    import struct

    head = struct.pack("<I4s4sIQQQ", 48, b"ET12", b"eh00", 32, 64, 64, 16)
    (folder / "whole").write_bytes(head + bytes(64 + 16 - len(head)))
    (folder / "plain").write_bytes(struct.pack("<I4s", 8, b"ET12") + bytes(32))
