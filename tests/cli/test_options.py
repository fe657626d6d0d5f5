"""Options are made from Python: names, defaults and help agree, and errors speak in flags."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner

import edgeemb
from edgeemb.body.precision import PRECISIONS
from edgeemb.cli.app import MEMBERS, main
from edgeemb.cli.generated import help_of
from edgeemb.cli.messages import as_flags
from edgeemb.errors import SpecError
from edgeemb.runtimes.registry import RUNTIMES

SOURCES: dict[str, tuple[Callable[..., Any], ...]] = {
    "adapt": (edgeemb.adapt, edgeemb.TrainingSettings),
    "compare": (edgeemb.compare, edgeemb.ProfilePlan),
    "distill": (edgeemb.distill, edgeemb.TrainingSettings, edgeemb.StudentShape, edgeemb.Classifier),
    "evaluate": (edgeemb.evaluate,),
    "export": (edgeemb.export, edgeemb.ExportOptions),
    "profile": (edgeemb.profile, edgeemb.ProfilePlan),
}


def options_of(command: str) -> dict[str, click.Option]:
    return {str(item.name): item for item in main.commands[command].params if isinstance(item, click.Option)}


@pytest.mark.parametrize("command", SOURCES)
def test_defaults_are_those_of_python(command: str) -> None:
    given = main.commands[command].make_context(command, [], resilient_parsing=True).params
    checked = 0
    for source in SOURCES[command]:
        for name, parameter in inspect.signature(source).parameters.items():
            option = options_of(command).get(name)
            if option is None or parameter.default is parameter.empty or name in ("device", "losses"):
                continue
            assert given[name] == parameter.default, name
            checked += 1
    assert checked >= 3


def test_every_field_of_the_settings_is_an_option() -> None:
    for command in ("adapt", "distill"):
        for kind in SOURCES[command][1:]:
            assert {field.name for field in dataclasses.fields(kind)} <= set(options_of(command))


def test_the_list_of_commands_says_what_their_own_help_begins_with() -> None:
    for member in MEMBERS:
        assert main.commands[member.name].get_short_help_str(200) == member.summary


def test_the_list_of_commands_imports_none_of_them() -> None:
    script = "import sys; from edgeemb.cli.app import main; main(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    modules = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert "'click'" in modules
    assert not any(
        f"'{name}'" in modules for name in ("numpy", "rich", "edgeemb.tables", "edgeemb.cli.using")
    )


@pytest.mark.parametrize("command", ["", *main.commands])
def test_help_fits_80_columns_and_is_never_cut_off(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(main, [*command.split(), "--help"], terminal_width=80)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines[1:] if line.endswith("...") and "N,N,..." not in line]
    assert "`" not in result.output


def test_the_help_names_every_precision_of_a_body() -> None:
    told = str(options_of("export")["body"].help)
    assert [name for name in PRECISIONS if name not in told] == []


def test_a_runtime_that_is_registered_later_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["export", "no-such-model", "--runtime"]
    unknown = CliRunner().invoke(main, [*arguments, "onyx"])
    assert unknown.exit_code == 2
    assert "runtime 'onyx' is not known: did you mean onnx? use onnx, tflite" in unknown.output
    monkeypatch.setitem(RUNTIMES, "onyx", RUNTIMES["onnx"])
    assert "|onyx]" in "".join(
        CliRunner().invoke(main, ["export", "--help"], terminal_width=200).output.split()
    )
    assert "onyx" not in CliRunner().invoke(main, [*arguments, "onyx"]).output


def test_the_help_of_export_names_what_it_takes() -> None:
    text = " ".join(CliRunner().invoke(main, ["export", "--help"]).output.split())
    assert all(word in text for word in (".onnx", ".tflite", "auto:budget", "keep", "edgeemb targets"))


def test_a_parameter_that_no_docstring_describes_is_noticed() -> None:
    with pytest.raises(KeyError, match="does not say what colour is"):
        help_of(edgeemb.export, "colour")


@pytest.mark.parametrize(
    ("message", "flags"),
    [
        ("replace it with force=True", "replace it with --force"),
        ('use ops="builtin"', "use --ops builtin"),
        ("export it with target='tflm'", "export it with --target tflm"),
        ("give one length: lengths=[16]", "give one length: --lengths 16"),
        ("lengths=[16, 32] are too many", "--lengths 16,32 are too many"),
        ("leave `vocab` out", "leave --vocab out"),
        ("batch=1 is not possible", "--batch 1 is not possible"),
        ("as_zip=True", "--zip"),
        ("`tables_apart` is for", "--tables-apart is for"),
        # What is no parameter of a command stays as it is.
        ("spec 'int4:block=7' and 'ngram:n=3,seed=2'", "spec 'int4:block=7' and 'ngram:n=3,seed=2'"),
        ("pass `neighbours`", "pass `neighbours`"),
    ],
)
def test_messages_of_the_library_are_turned_into_flags(message: str, flags: str) -> None:
    assert as_flags(message, main) == flags


def test_the_same_mistake_reads_well_in_python_and_on_the_command_line(tmp_path: Any) -> None:
    with pytest.raises(SpecError, match="batch=1 is not possible"):
        edgeemb.TrainingSettings(batch=1)
    words = ["adapt", "model", "-o", str(tmp_path / "out"), "--corpus", "corpus.txt", "--batch", "1"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert result.stderr == "error: --batch 1 is not possible: similarities need 2 texts or more\n"


def test_the_parity_of_an_output_is_called_by_its_measure() -> None:
    from edgeemb.cli.show.printing import parity_lines

    plain = {"sentences": 64, "cosine_mean": 0.9978, "cosine_min": 0.99}
    assert list(parity_lines(plain)) == [
        "Cosine to the original over 64 sentences: mean 0.9978, lowest 0.9900"
    ]
    scores = {
        **plain,
        "logits.difference_mean": 0.9978,
        "logits.difference_min": 0.99,
        "logits.same_class": 1.0,
    }
    assert list(parity_lines(scores)) == [
        "Agreement (1 less the relative difference) with the original over 64 sentences: mean 0.9978, lowest 0.9900",
        "The highest of logits is that of the original in 100.0% of all cases",
    ]
    several = {**plain, "ids.equal_mean": 1.0, "vector.cosine_mean": 0.9978}
    assert next(parity_lines(several)).startswith("Cosine to the original of vector over 64")
    assert "not measured" in next(parity_lines({}))
