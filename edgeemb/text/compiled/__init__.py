"""Tokenizers compiled into one blob, which runtimes/text reads in place: on the host, on phones and in firmware."""

from __future__ import annotations

from edgeemb.text.compiled.compiling import compile_tokenizer, compile_words
from edgeemb.text.compiled.refusal import NotCompiled

__all__ = ["NotCompiled", "compile_tokenizer", "compile_words"]
