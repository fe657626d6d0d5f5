"""Writing TFLite, for its three runtimes."""
