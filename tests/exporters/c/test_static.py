"""Static embeddings in C: rows, a mean and a length, without a layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgeemb
from edgeemb.devices import profile_on
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import InputError, SpecError
from edgeemb.exporters.c.writer import write
from edgeemb.exporters.targets import find_target
from edgeemb.exporters.writers import Request
from edgeemb.native.compilers import host_compiler, run_compiler
from edgeemb.runtimes.c.sources import read_sizes
from tests.fixtures.models import TEXTS
from tests.fixtures.requirements import requires_program
from tests.models.test_static import ALL_UNKNOWN, UNKNOWN, expected, save_model2vec

GIVEN = [*TEXTS, UNKNOWN, ALL_UNKNOWN]


@pytest.mark.parametrize(
    ("target", "normalize", "mapped", "weighted"),
    [("ios", True, True, True), ("cortex-m7", False, False, True)],
)
def test_computes_what_model2vec_computes(
    target: str, normalize: bool, mapped: bool, weighted: bool, tmp_path: Path
) -> None:
    folder = save_model2vec(tmp_path / "m", normalize=normalize, mapped=mapped, weighted=weighted)
    bundle = edgeemb.export(folder, tmp_path / "b", target=target, runtime="c", table="fp32")
    with edgeemb.open(bundle, allow_code=True) as session:
        found = session.encode(GIVEN)
        np.testing.assert_allclose(found, expected(folder, GIVEN), atol=1e-6)
        assert not found[-1].any()
        assert session.manifest.max_length == read_sizes(bundle, "m")["tokens"] == 512
        alone = np.concatenate([session.encode([text]) for text in GIVEN])
        assert alone.tobytes() == found.tobytes()
        with pytest.raises(InputError, match="id 67 is outside"):
            session.run({"input_ids": [[67]], "attention_mask": [[1]]})


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_compiles_without_a_warning(dtype: type, tmp_path: Path) -> None:
    model = edgeemb.load(save_model2vec(tmp_path / "m", mapped=True, weighted=True, dtype=dtype))
    for target in ("cortex-m7", "ios"):
        out = tmp_path / target
        out.mkdir()
        write(Request(model, {}, "int8", "builtin", (), find_target(target)), out)
        strict = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only")
        run_compiler([*host_compiler(), *strict, f"-I{out}", str(out / "model.c"), str(out / "weights.c")])
        assert not (out / "panels").exists()
        assert "@" not in (out / "model.c").read_text() + (out / "model.h").read_text()


@requires_program("qemu-system-arm", "qemu-system-arm")
def test_gives_the_bits_of_the_host_on_a_board(tmp_path: Path) -> None:
    folder = save_model2vec(tmp_path / "m", mapped=True, weighted=True)
    bundle = edgeemb.export(folder, tmp_path / "b", target="cortex-m4", table="int4:block=8", lengths=[40])
    report = profile_on("mps2-an386", bundle, ProfilePlan(lengths=(8,), ops_profile=True, allow_code=True))
    assert "4 of 4 golden sentences gave the host's result to the bit." in report.notes
    assert [operator.lookup for operator in report.operators].count(True) == 1
    text = report.find("text_instructions", 8)
    assert text is not None and (text.value or 0) > 0
    with pytest.raises(SpecError, match="or of static embeddings runs on one thread"):
        edgeemb.open(bundle, threads=2, allow_code=True)
