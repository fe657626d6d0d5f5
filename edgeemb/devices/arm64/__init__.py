"""Measuring on an emulated phone CPU."""
