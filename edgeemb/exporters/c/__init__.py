"""Writing C99."""
