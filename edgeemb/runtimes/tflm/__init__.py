"""Bundles in TensorFlow Lite Micro, on this machine by its wheel."""

from __future__ import annotations

from edgeemb.runtimes.runtime import Runtime

RUNTIME = Runtime(
    name="tflm",
    title="TensorFlow Lite Micro",
    opens="edgeemb.runtimes.tflm.engine:TflmEngine",
    writes="edgeemb.exporters.tflite.writer:write_tflm",
    package="tflite-micro",
    # The one build whose C++ layout the custom op is written for, and with which figures were measured.
    tested="0.dev20261023182759",
    extra="tflite",
    export_extra="tflite",
    model="model.tflite",
    bodies=("fp32",),
    library="edgeemb_tflm",
    threads=False,
    profiles=False,
)
