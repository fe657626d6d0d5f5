"""Finished ``.onnx`` models."""
