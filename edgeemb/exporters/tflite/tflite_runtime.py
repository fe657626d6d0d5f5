"""Writer for tflite-runtime 2.14: TFLite with the ops and precisions of 2023."""

from __future__ import annotations

from functools import partial

from edgeemb.exporters.tflite.writer import write_for

write = partial(write_for, "tflite-runtime")
