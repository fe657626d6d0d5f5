"""What there is to know of a runtime, in one record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any


@dataclass(frozen=True)
class OnPhone:
    """How a runtime's bundles run on a phone.

    :param dependency: Maven coordinates of the runtime's package for Android apps; empty where no kit uses one.
    :param keep: classes that the package's native half calls by name, for the app's shrinker.
    :param lookups: source of the library of native lookups for Android, below ``runtimes/``; empty where there is none.
    :param runner: source of the runner's half for this runtime, below ``devices/runner``; empty where no runner can run it.
    :param no_runner: why no runner can run it.
    :param library: which shared library the runner opens, and where it is found; empty where the model is linked into the runner.
    :param takes_lookups: whether the runner can give the runtime our native lookups.
    :param load: how load time is measured there, in one sentence.
    :param packages: packages that an emulated phone needs to run it in Python; empty where it cannot.
    :param environment: a function ``environment(site) -> dict[str, str]``: what the process there also needs in its environment, given
        the folder of its packages; empty for nothing.
    """

    dependency: str = ""
    keep: tuple[str, ...] = ()
    lookups: str = ""
    runner: str = ""
    no_runner: str = ""
    library: str = ""
    takes_lookups: bool = False
    load: str = "Load is the time in which the runtime opens the model; cold is after its files were dropped from memory."
    packages: tuple[str, ...] = ()
    environment: str = ""


@dataclass(frozen=True)
class Runtime:
    """A runtime. Functions are named as ``module:function`` and imported when they are called, with what they need.

    :param name: its name in manifests and for ``runtime=``.
    :param title: its name for people.
    :param opens: an `edgeemb.runtimes.engine.OpenEngine`.
    :param writes: a function ``write(request, folder) -> Written`` (`edgeemb.exporters.writers`).
    :param records: where a device gives several outputs as one, a function ``records(outputs) -> NDArray`` that joins them so, for the golden
        vectors; empty where a device gives the first.
    :param fuses: a function ``fuses(lookup, ops) -> bool`` that says whether one of our kernels serves a lookup, for ``docs/support.md``.
    :param lowerings: what ops may be: ``builtin``, ``custom`` or both.
    :param package: the distribution that brings it; empty where a C compiler is all it needs.
    :param extra: the extra of edgeemb that brings what running needs; empty for the base install.
    :param export_extra: the extra that brings what writing needs.
    :param tested: version that the tests run; empty for what constraints.txt says.
    :param model: the file that it opens, which a bundle's manifest must list.
    :param checks: a function ``check(folder, manifest)`` that looks into the model before the runtime does, where files are verified; empty
        for none.
    :param bodies: precisions of the body that it computes rightly.
    :param library: name of the native library with its lookups on this machine; empty where there is none.
    :param compiles_lookups: whether an app compiles the lookups in: then the writer puts their sources into the kit.
    :param fixed_ops: whether the lookup is chosen at export and cannot be changed afterwards.
    :param threads: whether it can use several threads.
    :param alone: where that depends on the bundle, a function ``alone(folder, name) -> str``: why the bundle in a folder, of a model of that
        name, runs on one thread; empty if it need not.
    :param concurrent: whether one session can run in several threads at once; if not, a lock makes them take turns.
    :param profiles: whether it can report the cost by operator.
    :param tables_apart: whether it can keep the tables in a separate file.
    :param heads: whether its writer can let a model give the best of its logits alone (`edgeemb.tables.top`).
    :param shortlists: whether that may be the best of a shortlist, by its native ops.
    :param top: how many of the best logits over a vocabulary a model gives where nothing is said about it; 0 gives all.
    :param is_source: whether a bundle is source code, compiled into the program that runs it.
    :param phone: how a phone runs it; None where none does.
    """

    name: str
    title: str
    opens: str
    writes: str
    package: str
    extra: str
    export_extra: str
    model: str
    bodies: tuple[str, ...]
    tested: str = ""
    library: str = ""
    compiles_lookups: bool = False
    fixed_ops: bool = True
    threads: bool = True
    alone: str = ""
    concurrent: bool = False
    profiles: bool = True
    tables_apart: bool = False
    heads: bool = False
    shortlists: bool = False
    top: int = 0
    is_source: bool = False
    phone: OnPhone | None = None
    lowerings: tuple[str, ...] = ("builtin", "custom")
    checks: str = ""
    records: str = ""
    fuses: str = "edgeemb.tables.program:fused_by_custom_ops"

    def one_thread(self, folder: Path, name: str) -> str:
        """Why a bundle runs on one thread; empty if it can use several.

        :param folder: the bundle.
        :param name: name of the model, as in the manifest.
        :raises BundleError: if the bundle is damaged.
        """
        if not self.threads:
            return f"a bundle for {self.title} runs on one thread"
        return str(self.resolve(self.alone)(folder, name)) if self.alone else ""

    def resolve(self, name: str) -> Any:
        """Import one of the functions that the record names.

        :param name: ``module:function``.
        :raises ModuleNotFoundError: if a package that it needs is not installed.
        """
        return resolve_name(name)
