"""What the command prints for people."""
