"""Numerical methods that several codecs share."""
