"""C exports, compiled for this machine."""

from __future__ import annotations

from edgeemb.runtimes.runtime import OnPhone, Runtime

RUNTIME = Runtime(
    name="c",
    title="C99",
    opens="edgeemb.runtimes.c.engine:MicroEngine",
    writes="edgeemb.exporters.c.writer:write",
    package="",
    extra="",
    export_extra="export",
    model="model.c",
    bodies=("int8", "int4"),
    lowerings=("builtin",),
    records="edgeemb.runtimes.c.engine:joined",
    fuses="edgeemb.tables.program:always_fused",
    alone="edgeemb.runtimes.c.sources:alone",
    profiles=False,
    heads=True,
    top=40,
    is_source=True,
    phone=OnPhone(
        runner="engine_c.c",
        load=(
            "Loading a C export means reading each page of the program, which contains the weights; "
            "cold is after they were dropped from memory."
        ),
    ),
)
