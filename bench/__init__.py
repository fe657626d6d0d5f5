"""The figures of the documentation, each by one command from the root of a checkout: ``python -m bench.NAME``; ``--help`` says the rest."""
