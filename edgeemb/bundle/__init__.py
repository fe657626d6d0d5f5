"""A bundle on disk: its manifest, reading and writing it, and its golden vectors. Needs no exporter."""
