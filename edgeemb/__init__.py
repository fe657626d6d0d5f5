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

from edgeemb.errors import EdgeembError, ModelError
from edgeemb.export import export
from edgeemb.runtimes import Session
from edgeemb.runtimes import open_bundle as open

__all__ = ["EdgeembError", "Session", "__version__", "export", "load", "open"]

try:
    __version__ = version("edgeemb")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0"


def load(source: Any, **options: Any) -> Any:
    """Load a model; see `edgeemb.model.load` for the parameters.

    :param source: a model folder, a hub name or a torch module.
    :return: an `edgeemb.model.Model`.
    :raises ModelError: if it cannot be loaded, or torch is not installed.
    """
    try:
        from edgeemb.model import load as load_model
    except ModuleNotFoundError as error:
        raise ModelError(
            f"loading a model needs the package '{error.name}': pip install 'edgeemb[export]'"
        ) from None
    return load_model(source, **options)
