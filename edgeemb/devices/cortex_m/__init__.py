"""Measuring on simulated microcontroller boards."""
