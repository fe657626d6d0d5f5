"""Writing ExecuTorch programs."""
