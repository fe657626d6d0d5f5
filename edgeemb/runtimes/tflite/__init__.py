"""Bundles in LiteRT and in tflite-runtime, its predecessor."""

from __future__ import annotations

from dataclasses import replace

from edgeemb.runtimes.runtime import OnPhone, Runtime

_LITERT_PHONE = OnPhone(
    dependency="com.google.ai.edge.litert:litert:2.3.0",
    keep=("org.tensorflow.lite.**",),
    lookups="tflite/edgeemb_tflite_android.c",
    runner="engine_litert.c",
    library="libLiteRt.so, in jni/arm64-v8a of com.google.ai.edge.litert:litert",
    packages=("ai-edge-litert", "backports.strenum", "flatbuffers", "tqdm", "typing_extensions"),
)

LITERT = Runtime(
    name="tflite",
    title="LiteRT",
    opens="edgeemb.runtimes.tflite.engine:TfliteEngine",
    writes="edgeemb.exporters.tflite.writer:write_litert",
    package="ai-edge-litert",
    tested="2.3.0",
    extra="tflite",
    export_extra="tflite",
    model="model.tflite",
    bodies=("fp32", "fp16", "int8", "int4"),
    library="edgeemb_tflite",
    heads=True,
    checks="edgeemb.bundle.tflite:check_model",
    phone=_LITERT_PHONE,
)

#: It computes bodies with one scale a channel wrongly, without a word.
TFLITE_RUNTIME = replace(
    LITERT,
    name="tflite-runtime",
    title="tflite-runtime",
    writes="edgeemb.exporters.tflite.writer:write_tflite_runtime",
    package="tflite-runtime",
    heads=False,
    tested="2.14.0",
    bodies=("fp32", "fp16"),
    # Its bundles run in LiteRT on a phone.
    phone=replace(
        _LITERT_PHONE, dependency="", lookups="", runner="", no_runner="the runner takes bundles for tflite"
    ),
)
