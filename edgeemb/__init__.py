"""edgeemb: compress the embedding tables of text models and take the models to the device.

    model = edgeemb.load("sentence-transformers/all-MiniLM-L6-v2")
    bundle = edgeemb.export(model, target="linux-x64", table="int4:block=32")
    with edgeemb.open(bundle) as session:
        session.encode(["some text"])  # float32[1, 384]

`load` and `export` need the extra ``export``; opening a bundle needs the base install only.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from edgeemb.errors import EdgeembError
from edgeemb.exporters import export
from edgeemb.runtimes import Session
from edgeemb.runtimes import open_bundle as open
from edgeemb.training import adapt, distill

__all__ = ["EdgeembError", "Session", "__version__", "adapt", "distill", "export", "load", "open"]

try:
    __version__ = version("edgeemb")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0"


def load(source: Any, **options: Any) -> Any:
    """Load a model; see `edgeemb.models.loading.load` for the parameters.

    :param source: a model folder, a hub name, a finished ``.onnx`` file or a torch module.
    :return: an `edgeemb.models.base.LoadedModel`.
    :raises ModelError: if it cannot be loaded, or a package for it is not installed.
    """
    from edgeemb.models.loading import load as load_model

    return load_model(source, **options)
