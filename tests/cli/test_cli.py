"""The command line, end to end on the real all-MiniLM-L6-v2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgeemb
from tests.fixtures.models import save_plain

SENTENCES = ["Where is my parcel?", "The package has not arrived.", "Play some quiet piano music."]


def edgeemb_command(
    *arguments: object, cwd: Path | None = None, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in a process of its own."""
    command = [sys.executable, "-m", "edgeemb.cli.app", *map(str, arguments)]
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == status, f"status {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result


def error_of(*arguments: object, cwd: Path | None = None, status: int = 1) -> str:
    """The one line that a command which must fail leaves on standard error."""
    result = edgeemb_command(*arguments, cwd=cwd, status=status)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert result.stdout == ""
    return lines[0]


def test_minilm_becomes_small_and_stays_close(minilm_bundle: Path) -> None:
    values = json.loads(edgeemb_command("inspect", minilm_bundle, "--json").stdout)
    model = values["files"]["model.onnx"]["bytes"] + values["files"]["model.data"]["bytes"]
    assert model <= 19.0e6
    assert values["parity"]["cosine_mean"] >= 0.990
    assert values["tables"]["word"] | {"arrays": None} == {
        "spec": "int4:block=32",
        "rows": 30522,
        "dim": 384,
        "bytes": 30522 * (384 // 2 + 2 * 384 // 32),
        "arrays": None,
    }


@pytest.mark.parametrize("ops", ["builtin", "custom"])
def test_run_gives_unit_vectors_that_know_what_belongs_together(minilm_bundle: Path, ops: str) -> None:
    result = edgeemb_command("run", minilm_bundle, *SENTENCES, "--ops", ops, "--json")
    rows = np.array([item["output"] for item in json.loads(result.stdout)])
    assert rows.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    similar = rows @ rows.T
    assert similar[0, 1] > similar[0, 2] + 0.2


def test_both_lowerings_of_minilm_agree(minilm_bundle: Path) -> None:
    with (
        edgeemb.open(minilm_bundle, ops="custom") as custom,
        edgeemb.open(minilm_bundle, ops="builtin") as builtin,
    ):
        np.testing.assert_array_equal(custom.encode(SENTENCES), builtin.encode(SENTENCES))


def test_run_reads_a_file_and_says_when_a_text_is_cut(minilm_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("short\n" + "long " * 400 + "\n", "utf-8")
    result = edgeemb_command("-v", "run", minilm_bundle, "--file", path, "--json")
    assert len(json.loads(result.stdout)) == 2
    assert "1 of 2 texts had more than 256 tokens" in result.stderr
    assert "cut" not in edgeemb_command("run", minilm_bundle, "--file", path).stderr


def test_inspect_shows_what_the_tables_of_a_model_weigh(minilm_folder: Path) -> None:
    values = json.loads(edgeemb_command("inspect", minilm_folder, "--json").stdout)
    word = values["tables"][0]
    assert (word["alias"], word["rows"], word["dim"]) == ("word", 30522, 384)
    assert round(word["share"], 2) == 0.52


def test_profile_measures_the_bundle(minilm_bundle: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = edgeemb_command(
        "profile", minilm_bundle, "--lengths", "16", "--runs", "10", "--ops-profile", "--html", page, "--json"
    )
    values = json.loads(result.stdout)
    measured = {item["name"]: item for item in values["measurements"]}
    assert measured["p50_ms"]["value"] > 0
    assert measured["peak_rss_bytes"]["value"] > 0
    assert any("QuantizedLookup4" in item["name"] for item in values["operators"])
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_evaluate_scores_pairs_and_classes(minilm_bundle: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text(
        "5.0\tA man is eating.\tSomebody eats.\n"
        "3.0\tA man is eating bread.\tA man is eating in the kitchen.\n"
        "0.0\tA man is eating.\tThe stock market fell.\n",
        "utf-8",
    )
    classes = tmp_path / "classes.tsv"
    classes.write_text(
        "".join(
            f"{text}\t{label}\n"
            for label, text in (
                ("mail", SENTENCES[0]),
                ("mail", SENTENCES[1]),
                ("music", SENTENCES[2]),
                ("music", "Play a song."),
            )
        ),
        "utf-8",
    )
    result = edgeemb_command(
        "evaluate", minilm_bundle, "--sts", pairs, "--train", classes, "--test", classes, "--json"
    )
    values = json.loads(result.stdout)
    assert values["sts"] == {"spearman": 100.0, "pairs": 3}
    assert values["classes"]["accuracy"] == 100.0


def test_compare_puts_bundles_side_by_side(minilm_bundle: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = edgeemb_command(
        "compare", minilm_bundle, minilm_bundle, "--lengths", "8", "--html", page, "--json"
    )
    values = json.loads(result.stdout)
    assert len(values["reports"]) == 2
    assert values["ratios"]
    assert page.exists()


def test_export_runs_from_the_command_line(tmp_path: Path) -> None:
    folder = save_plain(tmp_path / "model")
    result = edgeemb_command(
        "export", folder, "--table", "int4", "--body", "fp32", "--ops", "builtin", cwd=tmp_path
    )
    (bundle,) = (path for path in tmp_path.iterdir() if path.name.startswith("model-"))
    assert "Cosine to the original over 64 sentences" in result.stdout
    command = json.loads((bundle / "manifest.json").read_text("utf-8"))["command"]
    assert command == f"edgeemb export {folder} --table int4 --body fp32 --ops builtin"
    again = error_of("export", folder, "--table", "int4", "--ops", "builtin", cwd=tmp_path)
    assert "exists: choose another output, or replace it with --force" in again


@pytest.mark.usefixtures("adb_server")
def test_targets_and_devices_are_listed() -> None:
    assert "linux-x64" in edgeemb_command("targets").stdout
    assert "host" in edgeemb_command("devices").stdout
    assert {"name", "runtime", "ops"} <= set(json.loads(edgeemb_command("targets", "--json").stdout)[0])


def test_a_wrong_spec_is_status_2_with_what_there_is() -> None:
    message = error_of("export", "all-MiniLM-L6-v2", "--table", "int5", status=2)
    assert "codec 'int5' is not known: did you mean int8? use fp32, fp16, int8" in message


def test_an_unknown_option_is_status_2() -> None:
    assert edgeemb_command("export", "x", "--tabel", "int4", status=2).stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "nowhere", "text"], "nowhere does not exist"),
        (["inspect", "no/such/folder"], "'no/such/folder' is not a folder here"),
        (["profile", "nowhere"], "nowhere"),
        (["run", ".", "text"], "no manifest.json"),
    ],
)
def test_failures_are_one_line_and_status_1(tmp_path: Path, arguments: list[str], says: str) -> None:
    assert says in error_of(*arguments, cwd=tmp_path)


def test_bad_texts_and_files_are_one_line(minilm_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "latin.txt").write_bytes(b"fine\ncaf\xe9\n")
    (tmp_path / "wrong.tsv").write_bytes(b"1.0\ta\tb\n2.0\tonly one\n")
    assert "text 1 is empty" in error_of("run", minilm_bundle, "")
    assert "no text was given" in error_of("run", minilm_bundle)
    assert "empty" in error_of("run", minilm_bundle, "--file", tmp_path / "empty.txt")
    assert "latin.txt line 2: not UTF-8" in error_of("run", minilm_bundle, "--file", tmp_path / "latin.txt")
    assert "line 2" in error_of("evaluate", minilm_bundle, "--sts", tmp_path / "wrong.tsv")
