"""Bundles in ONNX Runtime."""

from __future__ import annotations

from edgeemb.runtimes.runtime import OnPhone, Runtime

RUNTIME = Runtime(
    name="onnx",
    title="ONNX Runtime",
    opens="edgeemb.runtimes.onnxruntime.engine:OnnxRuntimeEngine",
    writes="edgeemb.exporters.onnx.writer:write",
    package="onnxruntime",
    extra="",
    export_extra="export",
    model="model.onnx",
    bodies=("fp32", "fp16", "int8", "int8-tensor", "int4"),
    library="edgeemb_onnxruntime",
    checks="edgeemb.runtimes.onnxruntime.external:check_external_data",
    fixed_ops=False,
    concurrent=True,
    heads=True,
    shortlists=True,
    phone=OnPhone(
        # The newest version that public builds name and that is not newer than what bundles are checked with.
        dependency="com.microsoft.onnxruntime:onnxruntime-android:1.31.0",
        keep=("ai.onnxruntime.**",),
        lookups="onnxruntime/edgeemb_onnxruntime.c",
        runner="engine_onnxruntime.c",
        library="libonnxruntime.so, in jni/arm64-v8a of onnxruntime-android",
        takes_lookups=True,
        packages=("onnxruntime",),
    ),
)
