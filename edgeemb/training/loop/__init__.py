"""The training loop and what it needs: apart from settings, it knows nothing about models."""
