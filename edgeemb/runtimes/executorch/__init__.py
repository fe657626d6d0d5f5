"""Bundles in ExecuTorch."""
