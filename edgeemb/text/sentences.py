"""The packaged sentences on which every text model is compared with its original."""

from __future__ import annotations

from importlib.resources import files


def sentences() -> list[str]:
    """The sentences, in several languages and lengths."""
    return files("edgeemb.text").joinpath("sentences.txt").read_text("utf-8").splitlines()
