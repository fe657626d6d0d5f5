"""``python -m edgeemb`` is the command `edgeemb`."""

from edgeemb.cli.app import main

if __name__ == "__main__":
    main(prog_name="edgeemb")
