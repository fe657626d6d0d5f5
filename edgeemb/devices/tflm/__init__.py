"""Measuring in TensorFlow Lite Micro's interpreter."""
