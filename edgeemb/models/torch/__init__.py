"""Models as torch modules: what they compute, and the changes that only a module can take."""
