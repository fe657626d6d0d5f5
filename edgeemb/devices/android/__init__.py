"""Measuring on a phone over adb."""
