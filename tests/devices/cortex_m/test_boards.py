"""Simulated boards: the same bits as the host, the same counts in both simulators, and every way in which a firmware can fail."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import edgeemb
from edgeemb.devices import profile_on
from edgeemb.devices.cortex_m.board import find_board
from edgeemb.devices.cortex_m.firmware import Firmware, build
from edgeemb.devices.cortex_m.profile import choose_engine, simulate
from edgeemb.devices.cortex_m.run import Count, Run
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError, SpecError
from edgeemb.exporters.c.writer import write
from edgeemb.exporters.targets import find_target
from edgeemb.exporters.writers import Request
from edgeemb.models.torch.model import Model
from edgeemb.native.libraries import find_sources
from edgeemb.runtimes.c.parts import part_names
from edgeemb.runtimes.c.sources import read_sizes
from tests.fixtures.models import save_plain
from tests.fixtures.models.words import save_words
from tests.fixtures.requirements import requires_program
from tests.places import TESTS

QEMU = requires_program("qemu-system-arm", "qemu-system-arm")
HERE = TESTS / "programs" / "micro"
LAYERS = 1


def sentences() -> tuple[list[str], list[int]]:
    """512 sentences of three classes, told apart by their verb."""
    subjects = (
        "the cat",
        "a cat",
        "the mat",
        "a mat",
        "cats",
        "the cats and a mat",
        "a cat and the mat",
        "it",
    )
    ends = (
        "",
        "on the mat",
        "and away",
        "on it",
        "and the cat",
        "away and away",
        "on a mat and the cat",
        "the mat",
    )
    verbs = ("sat", "ran", "loved", "sat and sat", "ran away", "loved on", "sat on", "ran and ran")
    parts = list(itertools.product(subjects, verbs, ends))
    labels = [{"s": 0, "r": 1, "l": 2}[verb[0]] for _, verb, _ in parts]
    return [" ".join(part).strip() for part in parts], labels


def train(model: Model) -> None:
    """A few steps of gradient descent on the sentences."""
    from tests.fixtures.models import encode_texts

    texts, labels = sentences()
    assert model.tokenizer_json is not None
    ids, mask = encode_texts(model.tokenizer_json, texts)
    wanted = torch.tensor(labels)
    optimizer = torch.optim.Adam(model.module.parameters(), lr=3e-3)
    order = torch.Generator().manual_seed(0)
    for _ in range(60):
        some = torch.randperm(len(texts), generator=order)[:48]
        loss = torch.nn.functional.cross_entropy(model.module(ids[some], mask[some]), wanted[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@dataclass(frozen=True)
class Trained:
    """A trained classifier as a C bundle, with its sentences.

    :param bundle: the bundle.
    :param ids: ids of each sentence.
    :param labels: class of each sentence.
    :param host: what this machine computes, float32[sentences, classes].
    """

    bundle: Path
    ids: list[list[int]]
    labels: list[int]
    host: NDArray[np.float32]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A classifier that was trained for a second or two."""
    folder = tmp_path_factory.mktemp("classifier")
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": LAYERS,
        "initializer_range": 0.1,
    }
    save_plain(folder / "tiny", "bert", "ForSequenceClassification", num_labels=3, **sizes)
    model: Model = edgeemb.load(str(folder / "tiny"))
    train(model)
    return model


@pytest.fixture(scope="module")
def trained(classifier: Model, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The classifier with a table of 8 bits."""
    return exported(classifier, tmp_path_factory.mktemp("trained") / "bundle", "int8")


def exported(model: Model, place: Path, body: str) -> Trained:
    """The classifier as a bundle."""
    bundle = edgeemb.export(model, place, target="cortex-m4", table="int8", body=body)
    texts, labels = sentences()
    with edgeemb.open(bundle, allow_code=True) as session:
        ids = [session.tokenize([text])[0][0].tolist() for text in texts]
        host = session.encode(texts)
    return Trained(bundle, ids, labels, host)


def run(trained: Trained, board: str, engine: str, folder: Path, count: int) -> tuple[Firmware, Run]:
    """The first `count` sentences on a board."""
    place = folder / f"{board}-{engine}"
    place.mkdir()
    firmware = build(trained.bundle, "tiny", find_board(board), place)
    return firmware, simulate(engine, firmware, find_board(board), trained.ids[:count], 3, LAYERS, place)


def outputs(run: Run) -> NDArray[np.float32]:
    return np.stack([inference.output for inference in run.inferences])


@QEMU
@pytest.mark.parametrize("board", ["mps2-an386", "mps2-an500"])
def test_classifies_512_sentences_to_the_bit_as_the_host_in_both_simulators(
    board: str, trained: Trained, tmp_path: Path
) -> None:
    firmware, qemu = run(trained, board, "qemu", tmp_path, 512)
    _, unicorn = run(trained, board, "unicorn", tmp_path, 512)
    assert outputs(qemu).tobytes() == trained.host.tobytes()
    assert outputs(unicorn).tobytes() == trained.host.tobytes()
    assert (outputs(qemu).argmax(axis=1) == trained.host.argmax(axis=1)).all()
    assert (trained.host.argmax(axis=1) == trained.labels).mean() > 0.9
    counts = [[part.instructions for part in inference.parts] for inference in qemu.inferences]
    assert counts == [[part.instructions for part in inference.parts] for inference in unicorn.inferences]
    assert sum(firmware.flash.values()) < 1 << 20
    assert firmware.static + qemu.stack < 128 << 10
    assert qemu.stack == unicorn.stack


@QEMU
def test_gives_the_bits_of_the_host_with_a_body_of_4_bits(classifier: Model, tmp_path: Path) -> None:
    fours = exported(classifier, tmp_path / "bundle", "int4")
    for board in ("mps2-an385", "mps2-an386", "mps3-an547"):
        _, qemu = run(fours, board, "qemu", tmp_path, 8)
        assert outputs(qemu).tobytes() == fours.host[:8].tobytes(), board


@QEMU
@pytest.mark.parametrize("board", ["mps2-an385", "mps2-an505", "mps3-an547"])
def test_gives_the_bits_of_the_host_without_fpu_and_with_every_instruction_set(
    board: str, trained: Trained, tmp_path: Path
) -> None:
    _, qemu = run(trained, board, "qemu", tmp_path, 12)
    assert outputs(qemu).tobytes() == trained.host[:12].tobytes()
    if find_board(board).unicorn:
        _, unicorn = run(trained, board, "unicorn", tmp_path, 12)
        assert [inference.total.instructions for inference in unicorn.inferences] == [
            inference.total.instructions for inference in qemu.inferences
        ]


@QEMU
def test_computes_rows_from_bytes_to_the_bit_as_the_host(tmp_path: Path) -> None:
    save_plain(tmp_path / "tiny", hidden_size=32, num_hidden_layers=LAYERS)
    spec = "mixed:50=int4,*=ngram:n=3,lanes=4"
    bundle = edgeemb.export(
        str(tmp_path / "tiny"), tmp_path / "bundle", target="cortex-m4", table=f"word={spec}"
    )
    texts = sentences()[0][:8]
    with edgeemb.open(bundle, allow_code=True) as session:
        ids = [session.tokenize([text])[0][0].tolist() for text in texts]
        host = session.encode(texts)
    assert max(map(max, ids)) >= 50
    for board in ("mps2-an385", "mps2-an386", "mps3-an547"):
        place = tmp_path / board
        place.mkdir()
        firmware = build(bundle, "tiny", find_board(board), place)
        found = simulate("qemu", firmware, find_board(board), ids, host.shape[1], LAYERS, place)
        assert outputs(found).tobytes() == host.tobytes()


@QEMU
def test_classifies_text_without_a_vocabulary_to_the_bit_as_the_host(tmp_path: Path) -> None:
    bundle = edgeemb.export(str(save_words(tmp_path / "talk")), tmp_path / "bundle", target="cortex-m4")
    texts = ["Caf\u00e9 \u4f60\u597d, it's ME!", "a", "and away " * 30, *sentences()[0][:9]]
    given = [text.encode() for text in texts]
    with edgeemb.open(bundle, allow_code=True) as session:
        host = session.encode(texts)
    for board in ("mps2-an386", "mps2-an500"):
        place = tmp_path / board
        place.mkdir()
        firmware = build(bundle, "talk", find_board(board), place)
        qemu, unicorn = (
            simulate(engine, firmware, find_board(board), given, host.shape[1], LAYERS, place)
            for engine in ("qemu", "unicorn")
        )
        assert outputs(qemu).tobytes() == outputs(unicorn).tobytes() == host.tobytes()
        assert [one.parts for one in unicorn.inferences] == [
            tuple(Count(part.instructions) for part in one.parts) for one in qemu.inferences
        ]
        assert len(qemu.inferences[0].parts) == len(part_names(LAYERS, text=True))


@QEMU
@pytest.mark.parametrize(
    ("board", "most"), [("mps2-an386", 1.2), ("mps2-an505", 1.2), ("mps3-an547", 0.2), ("mps2-an385", 3)]
)
def test_multiplies_and_adds_in_few_instructions(
    board: str, most: float, trained: Trained, tmp_path: Path
) -> None:
    main = find_sources() / "devices" / "firmware" / "dot.c"
    firmware = build(trained.bundle, "tiny", find_board(board), tmp_path, main=main)
    from edgeemb.devices.cortex_m import qemu as cortex_m_qemu

    result = cortex_m_qemu.run(firmware, find_board(board), [[1]], 1, 1, tmp_path).inferences[0]
    assert result.output.tolist() == [-168545]
    assert result.total.instructions / (4 * 256 * 32) <= most


@QEMU
def test_takes_ram_in_proportion_to_the_length(tmp_path: Path) -> None:
    save_plain(tmp_path / "tiny", max_position_embeddings=300, hidden_size=64)
    model = edgeemb.load(str(tmp_path / "tiny"))
    board, used = find_board("mps2-an500"), []
    for length in (16, 64, 128, 256):
        bundle, place = tmp_path / str(length), tmp_path / f"run-{length}"
        bundle.mkdir()
        place.mkdir()
        write(Request(model, {}, "int8", "builtin", (length,), find_target("cortex-m7")), bundle)
        firmware = build(bundle, model.name, board, place)
        result = simulate("qemu", firmware, board, [[5] * length], 64, 2, place)
        used.append(firmware.static + result.stack)
    slopes = [(used[1] - used[0]) / 48, (used[2] - used[1]) / 64, (used[3] - used[2]) / 128]
    assert max(slopes) < 1.05 * min(slopes)


@QEMU
@pytest.mark.parametrize("engine", ["qemu", "unicorn"])
def test_reports_a_hang_a_fault_and_a_stack_that_overflows(
    engine: str, trained: Trained, tmp_path: Path
) -> None:
    board = find_board("mps2-an505")
    for main, message in (
        ("hang", r"did not end within 1000000 instructions, it was in wait_for_ever\+\d+"),
        ("fault", r"faulted in read_nowhere\+\d+ \(pc 0x[0-9a-f]{8}"),
        ("overflow", "stack of the firmware overflowed: raise stack_bytes"),
    ):
        place = tmp_path / main
        place.mkdir()
        firmware = build(trained.bundle, "tiny", board, place, main=HERE / f"{main}.c")
        with pytest.raises(DeviceError, match=message):
            simulate(engine, firmware, board, [[1]], 1, 0, place, 1_000_000)


@QEMU
def test_names_the_address_of_a_bus_fault(trained: Trained, tmp_path: Path) -> None:
    firmware = build(trained.bundle, "tiny", find_board("mps2-an386"), tmp_path, main=HERE / "fault.c")
    with pytest.raises(DeviceError, match="address 0x9f000000"):
        simulate("qemu", firmware, find_board("mps2-an386"), [[1]], 1, 0, tmp_path)


@QEMU
def test_profiles_instructions_and_memory_but_no_time(trained: Trained) -> None:
    report = profile_on(
        "mps2-an386", trained.bundle, ProfilePlan(lengths=(8, 16, 64), ops_profile=True, allow_code=True)
    )
    assert report.kind == "simulated"
    short, long = (report.find("inference_instructions", length=length) for length in (8, 16))
    assert short is not None and long is not None
    assert short.value is not None and long.value is not None
    assert 1.5 * short.value < long.value < 3 * short.value
    beyond = report.find("inference_instructions", length=64)
    assert beyond is not None
    assert "at most 40 tokens" in beyond.reason
    assert all(m.value is None and "clock" in m.reason for m in report.named("p50_ms"))
    values = {m.name: m.value for m in report.measurements if m.length is None}
    assert values["flash_bytes"] == sum(
        values[f"flash_{part}_bytes"] or 0 for part in ("tables", "weights", "code")
    )
    assert values["flash_tokenizer_bytes"] == (trained.bundle / "tokenizer.bin").stat().st_size
    tokens, whole = (report.find(f"{name}_instructions", length=8) for name in ("tokens", "text"))
    assert tokens is not None and whole is not None
    assert 0 < (tokens.value or 0) < (whole.value or 0) - 0.5 * short.value
    assert values["arena_bytes"] == read_sizes(trained.bundle, "tiny")["arena_bytes"]
    low, high = report.find("low_cycles", length=8), report.find("high_cycles", length=8)
    assert low is not None and high is not None
    assert short.value <= (low.value or 0) < (high.value or 0)
    assert "4 of 4 golden sentences gave the host's result to the bit." in report.notes
    assert {operator.name for operator in report.operators} == set(part_names(LAYERS))
    assert sum(operator.value for operator in report.operators) == short.value


def test_profiles_with_unicorn_alone(trained: Trained) -> None:
    report = profile_on("mps2-an386:unicorn", trained.bundle, ProfilePlan(lengths=(8,), allow_code=True))
    counted, read = report.find("inference_instructions", length=8), report.find("read_bytes", length=8)
    assert counted is not None and read is not None
    assert counted.value
    assert "unicorn counts instructions only" in read.reason


def test_a_board_that_only_unicorn_has_keeps_its_weights_in_external_memory(
    trained: Trained, tmp_path: Path
) -> None:
    firmware, found = run(
        trained, "cortex-m7-external", choose_engine(find_board("cortex-m7-external")), tmp_path, 8
    )
    assert outputs(found).tobytes() == trained.host[:8].tobytes()
    assert firmware.flash["tables"] and find_board("cortex-m7-external").external


def test_says_what_to_install_where_a_simulator_is_missing(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = find_board("mps2-an386")
    firmware = build(trained.bundle, "tiny", board, tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        DeviceError, match="qemu-system-arm is not installed: apt-get install qemu-system-arm"
    ):
        simulate("qemu", firmware, board, [[1]], 3, LAYERS, tmp_path)
    with pytest.raises(DeviceError, match="unicorn has no cortex-m55"):
        simulate("unicorn", firmware, find_board("mps3-an547"), [[1]], 3, LAYERS, tmp_path)
    with pytest.raises(SpecError, match="mps2-an386:qemu or unicorn"):
        profile_on("mps2-an386:gem5", trained.bundle, ProfilePlan(allow_code=True))
    with pytest.raises(
        SpecError, match="QEMU has no machine like cortex-m7-external: use cortex-m7-external:unicorn"
    ):
        profile_on("cortex-m7-external:qemu", trained.bundle, ProfilePlan(allow_code=True))


@QEMU
def test_gives_the_rows_of_tokens_to_the_bit_as_the_host_from_ids_and_from_text(
    labellers: dict[str, Path],
) -> None:
    plan = ProfilePlan(lengths=(8,), ops_profile=True, allow_code=True)
    report = profile_on("mps2-an500", labellers["cortex-m7"], plan)
    assert "4 of 4 golden sentences gave the host's result to the bit." in report.notes
    text, ids = (report.find(name, 8) for name in ("text_instructions", "inference_instructions"))
    assert text is not None and ids is not None and (text.value or 0) > (ids.value or 0) / 2


@QEMU
@pytest.mark.parametrize("board", ["mps3-an547", pytest.param("mps2-an386", marks=pytest.mark.slow)])
def test_turns_gates_and_attends_within_windows_to_the_bit_as_the_host(
    board: str, windowed: dict[str, Path]
) -> None:
    report = profile_on(board, windowed["cortex-m7"], ProfilePlan(lengths=(32,), allow_code=True))
    assert "4 of 4 golden sentences gave the host's result to the bit." in report.notes
