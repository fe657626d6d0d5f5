"""Text escaped for the sources of exports: names and labels come from models, and models come from anywhere."""

from __future__ import annotations


def java(text: str) -> str:
    """The inside of a string literal of Java.

    :param text: any text.
    """
    # Java takes \u000a for the end of a line before it looks for strings.
    return _literal(text, "\\{:03o}", "\\u{:04x}")


def kotlin(text: str) -> str:
    """The inside of a string literal of Kotlin, in which $ begins a template.

    :param text: any text.
    """
    return _literal(text, "\\u{:04x}", "\\u{:04x}").replace("$", "\\$")


def swift(text: str) -> str:
    """The inside of a string literal of Swift.

    :param text: any text.
    """
    return _literal(text, "\\u{{{:x}}}", "\\u{{{:x}}}")


def comment(text: str) -> str:
    """Text for a comment of C, Java, Kotlin or Swift, or for a line of Markdown: on one line, without anything that ends the comment.

    :param text: any text.
    """
    visible = "".join(" " if _unprinted(letter) else letter for letter in text)
    return " ".join(visible.split()).replace("*/", "* /").replace("/*", "/ *").rstrip("\\")


def _literal(text: str, narrow: str, wide: str) -> str:
    """Text with quotes and backslashes escaped, and what is not printed by a form for its number, below 256 or above."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(
        (narrow if ord(letter) < 0x100 else wide).format(ord(letter)) if _unprinted(letter) else letter
        for letter in escaped
    )


def _unprinted(letter: str) -> bool:
    """Whether a character ends a line or is not text: of the controls, line and paragraph separators, and halves of a pair."""
    return (
        ord(letter) < 0x20
        or 0x7F <= ord(letter) < 0xA0
        or letter in "\u2028\u2029"
        or 0xD800 <= ord(letter) < 0xE000
    )
