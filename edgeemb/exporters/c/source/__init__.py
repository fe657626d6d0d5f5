"""The text of the C files."""
