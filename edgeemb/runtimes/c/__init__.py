"""C exports, compiled for this machine."""
