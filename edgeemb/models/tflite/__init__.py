"""Finished ``.tflite`` models."""
