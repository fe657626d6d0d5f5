"""What models of text are for: one record per task, and how its outputs become answers. Imports no exporter."""
