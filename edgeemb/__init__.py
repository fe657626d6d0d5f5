"""edgeemb: compress the embedding tables of text models and take the models to the device.

    model = edgeemb.load("sentence-transformers/all-MiniLM-L6-v2")
    bundle = edgeemb.export(model, target="linux-x64", table="int4:block=32")
    with edgeemb.open(bundle) as session:
        session.encode(["some text"])  # float32[1, 384]

Opening, running and profiling a bundle needs the base install only; `load` and `export` need the extra ``export``, training the extra
``adapt``. A name is imported when it is first used, so that importing edgeemb costs next to nothing.
"""

from __future__ import annotations

# Type checkers know the name, and typing would be most of the cost of importing edgeemb.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgeemb.devices.measurement import Report
    from edgeemb.devices.plan import ProfilePlan
    from edgeemb.errors import EdgeembError
    from edgeemb.exporters import export
    from edgeemb.exporters.options import ExportOptions
    from edgeemb.models.base import LoadedModel
    from edgeemb.models.loading import load
    from edgeemb.report.comparison import Comparison, compare, profile
    from edgeemb.report.evaluation import Quality, evaluate
    from edgeemb.runtimes import Session
    from edgeemb.runtimes import open_bundle as open
    from edgeemb.training import adapt, distill
    from edgeemb.training.result import Trained
    from edgeemb.training.settings import Classifier, Losses, StudentShape, TrainingSettings
    from edgeemb.vectors.form import VectorForm

    __version__: str

__all__ = [
    "Classifier",
    "Comparison",
    "EdgeembError",
    "ExportOptions",
    "LoadedModel",
    "Losses",
    "ProfilePlan",
    "Quality",
    "Report",
    "Session",
    "StudentShape",
    "Trained",
    "TrainingSettings",
    "VectorForm",
    "__version__",
    "adapt",
    "compare",
    "distill",
    "evaluate",
    "export",
    "load",
    "open",
    "profile",
]

#: Where each public name is defined; the imports above say the same to type checkers and editors.
_MODULES = {
    "edgeemb.devices.measurement": ("Report",),
    "edgeemb.devices.plan": ("ProfilePlan",),
    "edgeemb.errors": ("EdgeembError",),
    "edgeemb.exporters": ("export",),
    "edgeemb.exporters.options": ("ExportOptions",),
    "edgeemb.models.base": ("LoadedModel",),
    "edgeemb.models.loading": ("load",),
    "edgeemb.report.comparison": ("Comparison", "compare", "profile"),
    "edgeemb.report.evaluation": ("Quality", "evaluate"),
    "edgeemb.runtimes": ("Session", "open_bundle"),
    "edgeemb.training": ("adapt", "distill"),
    "edgeemb.training.settings": ("Classifier", "Losses", "StudentShape", "TrainingSettings"),
    "edgeemb.training.result": ("Trained",),
    "edgeemb.vectors.form": ("VectorForm",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    value: Any
    if name == "__version__":
        value = _version()
    elif name in __all__:
        from importlib import import_module

        inner = "open_bundle" if name == "open" else name
        value = getattr(import_module(_MODULE_OF[inner]), inner)
    else:
        raise AttributeError(f"module 'edgeemb' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("edgeemb")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0"
