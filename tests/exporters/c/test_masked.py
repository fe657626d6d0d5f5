"""C exports of masked language models: the best tokens of masked places, over the very arrays of the stored table."""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

import edgeemb
from edgeemb.errors import ExportError, SpecError
from edgeemb.exporters.c.pieces.masked import logits_over, with_choice
from edgeemb.exporters.c.reading import read_encoder
from edgeemb.exporters.c.writer import write
from edgeemb.exporters.targets import find_target
from edgeemb.exporters.writers import Request
from edgeemb.native.compilers import FLAGS, host_compiler, run_compiler
from edgeemb.native.logits import logits_memory
from edgeemb.runtimes import OpenOptions, describe
from edgeemb.runtimes.c.engine import MicroEngine
from edgeemb.runtimes.c.sources import read_sizes, sources
from edgeemb.tables import encode
from edgeemb.tables.head import QuantizedLogits
from edgeemb.tables.logits import quantized_products
from edgeemb.tables.top import HeadSpec, best_of
from edgeemb.text.spellings import spelling, spellings
from tests.fixtures.c_functions import Call, functions_of
from tests.fixtures.models.families import masked_model, save_family

TEXT = "the [MASK] sat on the [MASK]"
TOP = 7

#: The vectors that go through the output layer, which `model.h` does not show.
_PROBE = """
#include "model.c"
int32_t probe(void *arena, const int32_t *ids, size_t count, float *vectors)
{
    const int32_t status = vectors_of(arena, M_ARENA_BYTES, ids, count);
    const float *rows = (const float *)(const void *)((const uint8_t *)arena + PROBE_ROWS);

    memcpy(vectors, rows, count * PROBE_WIDTH * sizeof *rows);
    return status;
}
"""

Exported = tuple[Path, ctypes.CDLL]


@pytest.fixture(scope="module", params=["cortex-m7", "ios"])
def exported(
    request: pytest.FixtureRequest, fillers: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    """A bundle, and its library with the function `probe`."""
    bundle = fillers[request.param]
    folder = tmp_path_factory.mktemp("probe")
    (at,) = set(re.findall(r"NULL, &count, 1, .* \+ (\d+)\)\);", (bundle / "model.c").read_text()))
    (folder / "probe.c").write_text(_PROBE.replace("PROBE_ROWS", at).replace("PROBE_WIDTH", "16"))
    flags = [*FLAGS, "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{bundle}"]
    run_compiler(
        [
            *host_compiler(),
            *flags,
            str(folder / "probe.c"),
            str(sources(bundle)[1]),
            "-o",
            str(folder / "probe.so"),
        ]
    )
    return bundle, ctypes.CDLL(str(folder / "probe.so"))


@pytest.fixture
def call(exported: Exported) -> Callable[[str], Call]:
    """The functions of the library by name, with an arena of the least size."""
    bundle, library = exported
    return functions_of(library, read_sizes(bundle, "m")["arena_bytes"], unsized=("probe",))


def stored(bundle: Path) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float16]]:
    """The rows of the model that is behind `fillers`, and the codes and scales that are stored of them."""
    weight = masked_model().get_input_embeddings().weight.detach().numpy()
    table = encode(weight, describe(bundle).tables["word"].spec)
    return weight, table.arrays["codes"], table.arrays["scales"]


def test_the_best_tokens_have_the_bits_of_the_kernels_reference(
    exported: Exported, call: Callable[[str], Call]
) -> None:
    bundle, _ = exported
    _, codes, scales = stored(bundle)
    ids, vectors = np.array([2, 9, 4, 30, 7, 3], np.int32), np.zeros((6, 16), np.float32)
    assert call("probe")(ids, 6, vectors) == 0
    bias = masked_model().cls.predictions.bias.detach().numpy()
    wanted, order = best_of(quantized_products(vectors, codes, scales, 4, 8) + bias, TOP)
    output, tokens = np.zeros((6, TOP), np.float32), np.zeros((6, TOP), np.int32)
    assert call("m_best")(ids, 6, None, 0, output, tokens) == 0
    np.testing.assert_array_equal(tokens, order)
    assert output.tobytes() == wanted.tobytes()
    some, chosen = np.zeros((2, TOP), np.float32), np.array([4, 2], np.uint32)
    assert call("m_best")(ids, 6, chosen, 2, some, None) == 0
    assert some.tobytes() == output[chosen].tobytes()
    alone = np.zeros_like(output)
    assert call("m_run")(ids, 6, alone) == 0
    assert alone.tobytes() == output.tobytes()
    assert call("m_best")(ids, 6, np.array([6], np.uint32), 1, some, None) == 11
    assert call("m_best")(ids, 6, None, 0, None, None) == 6


def test_c_alone_fills_masked_places_as_a_session_does(
    exported: Exported, call: Callable[[str], Call]
) -> None:
    bundle, _ = exported
    output, tokens = np.zeros((2, TOP), np.float32), np.zeros((2, TOP), np.int32)
    count, text = ctypes.c_size_t(), TEXT.encode()
    assert call("m_fill")(text, len(text), 2, output, tokens, ctypes.byref(count)) == 0
    assert count.value == 2
    with edgeemb.open(bundle, allow_code=True) as session:
        (wanted,) = session.fill([TEXT], top=TOP)
    np.testing.assert_allclose(output, [[one.score for one in place] for place in wanted], atol=2e-6)
    scores = torch.tensor(output).sum(1)
    torch.testing.assert_close(scores, torch.ones(2))
    # Room for one place alone.
    first = np.full((2, TOP), -1, np.float32)
    assert call("m_fill")(text, len(text), 1, first, tokens, ctypes.byref(count)) == 0
    assert count.value == 2 and first[0].tobytes() == output[0].tobytes() and (first[1] == -1).all()
    assert call("m_fill")(b"the cat", 7, 2, output, tokens, ctypes.byref(count)) == count.value == 0
    assert call("m_fill")(text, len(text), 2, None, tokens, ctypes.byref(count)) == 6


def test_gives_the_texts_of_tokens(exported: Exported) -> None:
    bundle, library = exported
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    count, named = ctypes.c_size_t(), []
    library.m_token.restype = ctypes.c_void_p
    for token in (-1, *range(describe(bundle).tables["word"].rows + 1)):
        text = library.m_token(token, ctypes.byref(count))
        named.append(None if text is None else ctypes.string_at(text, count.value).decode())
    assert named[0] is None and named[-1] is None
    assert named[1:-1] == [spelling(tokenizer, token) for token in range(len(named) - 2)]
    assert {"[PAD]", "the", "##s"} <= set(named)


def test_fills_as_the_original_with_the_stored_rows(exported: Exported) -> None:
    bundle, _ = exported
    weight, _, _ = stored(bundle)
    model = masked_model()
    rows = encode(weight, describe(bundle).tables["word"].spec).reconstruct()
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(torch.from_numpy(rows))
    with edgeemb.open(bundle, allow_code=True) as session:
        (encoding,) = session.encodings([TEXT])
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([encoding.ids.tolist()])).logits[0]
        (found,) = session.fill([TEXT], top=TOP)
        values, tokens = session.run_all(session.feeds([encoding.ids.tolist()]))
        assert values.shape == tokens.shape == (1, len(encoding.ids), TOP)
    for place, at in zip(found, np.flatnonzero(encoding.ids == session.manifest.mask_id), strict=True):
        best = torch.topk(logits[at], TOP).values
        assert [one.score for one in place] == pytest.approx(torch.softmax(best, 0).tolist(), abs=0.05)
    manifest = session.manifest
    assert manifest.parity["tokens.same_class"] > 0.9
    assert [info.axes[-1] for info in manifest.outputs] == [TOP, TOP]


def test_boards_and_application_processors_give_the_same_bits(fillers: dict[str, Path]) -> None:
    found = []
    for bundle in fillers.values():
        with edgeemb.open(bundle, allow_code=True) as session:
            found.append(session.run_all(session.feeds([[2, 9, 5, 4, 30, 7, 8, 3], [2, 4, 3]])))
            assert not any(output[1, 3:].any() for output in found[-1])
    for one, other in zip(*found, strict=True):
        assert one.tobytes() == other.tobytes()


def test_the_table_is_stored_once(exported: Exported) -> None:
    bundle, _ = exported
    manifest = describe(bundle)
    weights = sum(parameter.numel() for parameter in masked_model().parameters())
    assert manifest.sizes["tables"] == sum(manifest.tables[alias].bytes for alias in ("word", "position"))
    # A byte for a weight of the body, floats for its biases, scales and sums.
    assert (
        manifest.sizes["body"]
        < weights - sum(entry.rows * entry.dim for entry in manifest.tables.values()) + 4096
    )
    header = (bundle / "model.h").read_text()
    assert f"#define M_OUTPUTS {TOP}u" in header and "m_best(" in header and "m_fill(" in header
    assert "m_run_batch" not in header and "m_run_parallel" not in header and "@" not in header


@pytest.mark.parametrize(
    "family", ["DistilBERT", "RoBERTa", "XLM-R", "MPNet", "ALBERT", "ELECTRA", "ModernBERT"]
)
def test_reads_the_head_of_every_family(family: str, tmp_path: Path) -> None:
    save_family(tmp_path / "m", family, "ForMaskedLM")
    model = edgeemb.load(str(tmp_path / "m"))
    encoder = read_encoder(model)
    assert encoder.decoder is not None and encoder.decoder.table == encoder.word
    (dense,) = encoder.head
    assert dense.norm is not None and dense.activation.startswith("EEM_GELU")
    assert encoder.outputs == encoder.width


def test_refuses_what_is_no_output_layer_over_the_table(tmp_path: Path) -> None:
    save_family(tmp_path / "own", "BERT", "ForMaskedLM", tie_word_embeddings=False)
    with pytest.raises(ExportError, match=r"'body.cls.predictions.decoder' has weights of its own"):
        edgeemb.export(str(tmp_path / "own"), tmp_path / "b", target="ios")
    save_family(tmp_path / "m", "BERT", "ForMaskedLM")
    model = edgeemb.load(str(tmp_path / "m"))
    for spec, said in (
        ("lowrank:rank=4", "from lowrank:"),
        ("qr:rows=8", "its rows share what is stored"),
    ):
        with pytest.raises(
            ExportError,
            match=f"table word is also the output layer, .*{said}.*fp32, fp16, int8, int4, int2, binary, pq and rvq",
        ):
            edgeemb.export(model, tmp_path / "b", target="ios", table=spec)
    with pytest.raises(SpecError, match="C99 scans no shortlist: use top alone"):
        edgeemb.export(model, tmp_path / "b", target="ios", head="shortlist=9,top=3")


@pytest.mark.parametrize(
    "spec", ["int8", "int4:block=4", "int2:block=4", "binary:block=4,planes=2", "int4:block=36"]
)
def test_plans_the_memory_that_the_kernels_take(spec: str) -> None:
    table = encode(np.random.default_rng(0).standard_normal((40, 36)).astype(np.float32), spec)
    head = logits_over(table, "word")
    for vectors in (1, 4):
        _, prepared, _ = with_choice([], table, 5, vectors)
        assert isinstance(head, QuantizedLogits)
        block = 0 if head.block == head.dim else head.block
        assert prepared.bytes == logits_memory(head.bits, head.dim, block, vectors)


def test_texts_of_many_tokens_and_of_those_that_are_too_long() -> None:
    vocabulary = {f"w{number}": number for number in range(130)} | {"x" * 256: 130}
    table = spellings(Tokenizer(WordLevel(vocabulary, "w0")), 133)
    lengths = np.frombuffer(table[12 + 4 * 3 :][:133], np.uint8)
    assert lengths[128:].tolist() == [4, 4, 0, 0, 0]
    assert struct.unpack("<4s5I", table[:24]) == (b"EEBW", 1, 133, 0, lengths[:64].sum(), lengths[:128].sum())
    assert table[12 + 12 + 133 :] == "".join(list(vocabulary)[:130]).encode()


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        ("fp32", "cortex-m7"),
        ("pq:m=4,k=16", "ios"),
        *(
            pytest.param(spec, target, marks=pytest.mark.slow)
            for spec, target in (("fp16", "ios"), ("rvq:m=3,k=16", "cortex-m7"))
        ),
    ],
)
def test_computes_logits_over_rows_of_floats_and_codebooks(
    spec: str, target: str, fillers: dict[str, Path], tmp_path: Path
) -> None:
    save_family(tmp_path / "m", "BERT", "ForMaskedLM")
    masked_model().save_pretrained(tmp_path / "m")
    model, folder = edgeemb.load(str(tmp_path / "m")), tmp_path / target
    folder.mkdir()
    tables = {"word": encode(model.table_weight("word"), spec)}
    write(Request(model, tables, "int8", "builtin", (38,), find_target(target), head=HeadSpec(TOP)), folder)
    # Built without optimisation, in half the time.
    engine = MicroEngine(folder, describe(fillers[target]), OpenOptions(), ("-O0",))
    feeds = {"input_ids": np.array([[2, 9, 4, 30, 7, 3]]), "attention_mask": np.ones((1, 6), np.int64)}
    values, tokens = engine.run(feeds)
    engine.close()
    same = model.torch_model().with_rows("word", tables["word"].reconstruct(), shared=True)
    (logits,) = same.reference({**feeds, "token_type_ids": np.zeros((1, 6), np.int64)})
    wanted, order = best_of(logits, TOP)
    np.testing.assert_allclose(values, wanted, atol=0.1)
    assert (tokens[..., 0] == order[..., 0]).all()
