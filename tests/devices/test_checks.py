"""Every device checks a bundle as opening it does, before anything of it is used."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from edgeemb.devices import profile_on
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import BundleError
from edgeemb.runtimes.opening import describe

DEVICES = ("host", "android", "arm64-a76", "mps2-an386", "tflm")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
def test_a_bundle_that_would_be_opened_unchecked_is_refused(
    device: str, as_zip: bool, tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    values = json.loads((bundle / "manifest.json").read_text("utf-8"))
    del values["files"]["model.onnx"]
    (bundle / "manifest.json").write_text(json.dumps(values), "utf-8")
    if as_zip:
        bundle = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", bundle))
    with pytest.raises(BundleError, match=r"does not list model\.onnx, which would be opened unchecked"):
        profile_on(device, bundle, ProfilePlan(lengths=(8,)))


def test_a_zipped_bundle_is_described_by_its_manifest_alone(tiny_bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(tiny_bundle / "manifest.json", "manifest.json")
    assert describe(tmp_path / "b.zip") == describe(tiny_bundle)
