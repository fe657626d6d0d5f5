"""A model that reads other files than those of its bundle is refused, wherever in it the tensor hides."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgeemb
from edgeemb.bundle.manifest import read_manifest
from edgeemb.bundle.reading import file_entry
from edgeemb.errors import BundleError
from edgeemb.runtimes.onnxruntime.external import check_external_data


def external(location: str) -> TensorProto:
    """A tensor that lies in a file."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def model_with(tensor: TensorProto, where: str) -> onnx.ModelProto:
    """A model that holds a tensor in one of the places where it may be."""
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    functions = []
    if where == "initializer":
        graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [output], [tensor])
    elif where == "constant":
        graph = helper.make_graph([constant], "g", [], [output])
    elif where == "subgraph":
        branch = helper.make_graph([constant], "b", [], [output])
        chosen = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
        condition = numpy_helper.from_array(np.array(True), "c")
        graph = helper.make_graph([chosen], "g", [], [output], [condition])
    else:
        functions = [helper.make_function("own", "f", [], ["y"], [constant], [helper.make_opsetid("", 18)])]
        graph = helper.make_graph([helper.make_node("f", [], ["y"], domain="own")], "g", [], [output])
    return helper.make_model(graph, functions=functions)


@pytest.mark.parametrize("where", ["initializer", "constant", "subgraph", "function"])
@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "other.bin"])
def test_a_tensor_elsewhere_is_found(tiny_bundle: Path, tmp_path: Path, where: str, location: str) -> None:
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    (folder / "model.onnx").write_bytes(model_with(external(location), where).SerializeToString())
    values = json.loads((folder / "manifest.json").read_text())
    values["files"]["model.onnx"] = vars(file_entry(folder / "model.onnx"))
    (folder / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(BundleError, match="which is not of the bundle: do not use this bundle"):
        edgeemb.open(folder)


def test_the_bundle_s_own_files_are_fine_and_onnx_is_not_needed(tiny_bundle: Path) -> None:
    assert "model.data" in read_manifest(tiny_bundle).files
    code = f"import sys, edgeemb; edgeemb.open({str(tiny_bundle)!r}).close(); sys.exit('onnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_damaged_models_end_in_one_line(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    whole = (folder / "model.onnx").read_bytes()
    manifest = read_manifest(folder)
    dice = random.Random(1)
    for turn in range(300):
        content = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        content = content[: dice.randint(0, len(content))] if turn % 3 == 0 else content
        (folder / "model.onnx").write_bytes(content)
        try:
            check_external_data(folder, manifest)
        except BundleError as error:
            assert "\n" not in str(error)
