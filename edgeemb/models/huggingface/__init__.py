"""Models in the folders of transformers and sentence-transformers."""
