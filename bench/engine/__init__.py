"""Engines side by side on this machine; see `bench.engine.__main__`."""
