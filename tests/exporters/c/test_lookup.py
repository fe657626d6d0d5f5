"""The rows of every codec, computed by the C that is written for it."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from edgeemb.exporters.c.lookup import Lowering, array_bytes
from edgeemb.exporters.support import sample_tokens
from edgeemb.native.compilers import FLAGS, host_compiler, run_compiler
from edgeemb.native.libraries import find_sources
from edgeemb.tables import encode
from tests.fixtures.tables import SPECS, table_of

#: Rows from bytes in more sizes than the codec's samples.
NGRAMS = ("ngram:n=3,lanes=2", "ngram:n=1,lanes=16", "mixed:10=int8,*=ngram:n=2,lanes=8,dim=32")


def test_writes_the_rows_of_every_codec_to_the_bit(tmp_path: Path) -> None:
    weight = np.random.default_rng(3).standard_normal((40, 16)).astype(np.float32)
    functions, tables = [], []
    specs = {spec: table_of(spec) for spec in SPECS}
    specs |= {spec: encode(weight, spec, tokens=sample_tokens(40)) for spec in NGRAMS}
    for number, (spec, table) in enumerate(specs.items()):
        names = {name: f"table_{number}_{at}" for at, name in enumerate(table.arrays)}
        for name, symbol in names.items():
            data = ", ".join(map(str, array_bytes(table, name)))
            functions.append(f"static const uint8_t {symbol}[] = {{{data}}};")
        lowering = Lowering(table, spec, names)
        functions.append(lowering.function(f"inner_{number}"))
        functions.append(
            f"void row_{number}(int32_t id, float *row);\n"
            f"void row_{number}(int32_t id, float *row) {{ float scratch[{lowering.scratch + 1}]; inner_{number}(id, row, scratch); }}"
        )
        tables.append(table)
    source = tmp_path / "tables.c"
    source.write_text('#include "micro/lookup.h"\n' + "\n".join(functions), "utf-8")
    out = tmp_path / "tables.so"
    include = f"-I{find_sources() / 'runtimes'}"
    run_compiler(
        [
            *host_compiler(),
            *FLAGS,
            "-Wall",
            "-Wextra",
            "-Werror",
            include,
            "-shared",
            "-fPIC",
            str(source),
            "-o",
            str(out),
        ]
    )
    rows = ctypes.CDLL(str(out))
    for number, (spec, table) in enumerate(zip(specs, tables, strict=True)):
        expected = table.rows(np.arange(table.shape[0]))
        found = np.empty_like(expected)
        for at in range(table.shape[0]):
            getattr(rows, f"row_{number}")(ctypes.c_int32(at), ctypes.c_void_p(found[at].ctypes.data))
        if table.exact:
            assert np.array_equal(found, expected), spec
        else:
            # numpy sums a product of matrices in an order of its own.
            assert np.allclose(found, expected, rtol=1e-5, atol=1e-6), spec
