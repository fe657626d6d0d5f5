"""Names and labels from anywhere, in the sources of kits."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from edgeemb.errors import ExportError
from edgeemb.exporters.escape import comment, java, kotlin, swift
from edgeemb.exporters.kits import fill
from tests.fixtures.requirements import requires_program

TEXTS = [
    "all-MiniLM-L6-v2",
    'say "hello"',
    "back\\slash \\u0041 \\n \\",
    "${System.exit(1)} $name",
    "\\(fatalError())",
    "*/ int main; /* **//",
    "two\nlines\r\n\u2028three\x00\x85\x7f\t",
    "@name@ and @ two @",
    "日本 é 🎉",
]


@requires_program("javac", "default-jdk-headless")
def test_java_reads_the_text_back(tmp_path: Path) -> None:
    literals = ",\n".join(f'"{java(text)}"' for text in TEXTS)
    code = f"""
        public class Texts {{
            // {" ".join(map(comment, TEXTS))}
            /* {" ".join(map(comment, TEXTS))} */
            public static void main(String[] unused) throws Exception {{
                for (String text : new String[] {{ {literals} }}) {{
                    System.out.write((text + (char) 1).getBytes("utf-8"));
                }}
                System.out.flush();
            }}
        }}"""
    (tmp_path / "Texts.java").write_text(code, "utf-8")
    subprocess.run(
        ["javac", "-encoding", "utf-8", "-d", str(tmp_path), str(tmp_path / "Texts.java")], check=True
    )
    done = subprocess.run(["java", "-cp", str(tmp_path), "Texts"], capture_output=True, check=True)
    assert done.stdout.decode().split("\x01")[:-1] == TEXTS


@pytest.mark.parametrize("text", TEXTS)
def test_kotlin_and_swift_find_no_template_and_no_end(text: str) -> None:
    for escaped, escapes in (
        (kotlin(text), r'\\(?:[\\"$]|u[0-9a-f]{4})'),
        (swift(text), r'\\(?:[\\"]|u\{[0-9a-f]+\})'),
    ):
        rest = re.sub(escapes, "", escaped)
        assert "\\" not in rest and '"' not in rest and all(letter.isprintable() for letter in rest)
    assert "$" not in re.sub(r"\\[\\$]", "", kotlin(text))


@pytest.mark.parametrize("text", TEXTS)
def test_a_comment_stays_one(text: str) -> None:
    words = comment(text)
    assert "*/" not in words and "/*" not in words and words.isprintable() and not words.endswith("\\")


def test_at_signs_in_a_value_mean_nothing() -> None:
    labels = '"me@home, you@work", "@name@"'
    assert (
        fill("[@labels@] @name@ a@b.c, @Override", {"labels": labels, "name": "x"}, "x")
        == f"[{labels}] x a@b.c, @Override"
    )


def test_a_name_without_a_value_is_an_error() -> None:
    with pytest.raises(ExportError, match=r"README\.md: there is no value for '@nothing@'"):
        fill("@name@ @nothing@", {"name": "x"}, "README.md")
