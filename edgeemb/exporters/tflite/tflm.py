"""Writer for TensorFlow Lite Micro: one length, no op that it lacks, arrays in the types that it gathers."""

from __future__ import annotations

from functools import partial

from edgeemb.exporters.tflite.writer import write_for

write = partial(write_for, "tflm")
