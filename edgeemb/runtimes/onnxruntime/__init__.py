"""Bundles in ONNX Runtime."""
