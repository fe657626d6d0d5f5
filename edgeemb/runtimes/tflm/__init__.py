"""Bundles in TensorFlow Lite Micro."""
