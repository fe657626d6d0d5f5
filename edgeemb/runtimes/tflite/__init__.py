"""Bundles in LiteRT and tflite-runtime."""
