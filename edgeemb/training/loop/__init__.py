"""The training loop and what it needs: settings aside, it knows no model."""
