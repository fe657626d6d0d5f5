"""`edgeemb codecs`."""

from __future__ import annotations

import json

from click.testing import CliRunner

from edgeemb.cli.app import main
from edgeemb.tables import CODECS, nbytes


def test_lists_every_codec_with_the_bytes_of_its_example() -> None:
    result = CliRunner().invoke(main, ["codecs", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert [item["codec"] for item in found["codecs"]] == list(CODECS)
    for item in found["codecs"]:
        codec = CODECS[item["codec"]]
        assert item["spec"] == codec.example
        assert (item["trained"], item["good_for"]) == (codec.trained, codec.good_for)
        expected = None if codec.reads_tokens else nbytes(codec.example, found["rows"], found["dim"])
        assert item["bytes"] == expected


def test_says_which_example_does_not_fit_the_shape_and_why() -> None:
    result = CliRunner().invoke(main, ["codecs", "--shape", "100x12", "--json"])
    found = {item["codec"]: item for item in json.loads(result.output)["codecs"]}
    assert (found["int4"]["spec"], found["int4"]["bytes"]) == ("int4", 100 * 8)
    assert found["lowrank"]["bytes"] is None
    assert found["lowrank"]["note"].startswith("rank=128 is larger than the table's dimension 12")


def test_prints_sizes_for_people() -> None:
    result = CliRunner().invoke(main, ["codecs", "--shape", "1000x64"])
    assert result.exit_code == 0
    assert "A table of 1000 x 64, 0.256 MB in float32" in result.output
    assert "training" in result.output


def test_refuses_what_is_no_shape() -> None:
    for shape in ("100", "0x4", "axb", "1x2x3"):
        result = CliRunner().invoke(main, ["codecs", "--shape", shape])
        assert result.exit_code == 2
        assert "write rows and columns, such as 30522x384" in result.output
