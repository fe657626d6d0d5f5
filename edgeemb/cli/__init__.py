"""The command `edgeemb`: it parses, calls and prints, and holds no logic."""
