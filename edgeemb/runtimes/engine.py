"""What runs a bundle's model: one engine per runtime, all with the same interface and opened in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgeemb.bundle.manifest import Manifest

Feeds = Mapping[str, NDArray[Any]]

#: Which lookup a session uses.
OPS = ("auto", "builtin", "custom")


@dataclass(frozen=True)
class OpenOptions:
    """How a bundle is opened. A runtime that lacks an option refuses it (see `edgeemb.runtimes.registry.Runtime`).

    :param ops: ``custom`` runs the native kernels, ``builtin`` the runtime's own ops, ``auto`` the kernels where they are installed.
    :param threads: threads within an op; 0 leaves the choice to the runtime.
    :param ops_profile: prefix of a file for the runtime's own profile by operator, or None.
    :param allow_code: compile and run source code that the bundle holds, as C exports do. Allow it if you trust its author.
    """

    ops: str = "auto"
    threads: int = 0
    ops_profile: Path | None = None
    allow_code: bool = False


class Engine(Protocol):
    """A model that is loaded into its runtime. It receives checked arrays and may be called from one thread at a time.

    `ops` says which lookup it uses: ``custom`` (the native kernels) or ``builtin``. `lengths` are the only sequence lengths that it
    takes, in increasing order; empty if it takes any. `package` is the distribution that runs it, empty for compiled code.
    """

    ops: str
    lengths: tuple[int, ...]
    package: str

    @property
    def profile_note(self) -> str:
        """A note on the cost by operator, or why there is none; empty for no note."""
        ...

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """All outputs, in the order of the manifest; `InputError` with the runtime's message if it refuses the inputs."""
        ...

    def bare(self, feeds: Feeds) -> Callable[[], object]:
        """A call that runs the model on these inputs with as little Python around it as possible, for counting instructions."""
        ...

    def end_profile(self) -> Path | None:
        """Finish the profile by operator and return its file, a Chrome trace; None if there is none."""
        ...

    def close(self) -> None:
        """Release its resources. It is called once, as the last call."""
        ...


@runtime_checkable
class PlacesEngine(Protocol):
    """An engine that can leave out what is not asked for."""

    def run_at(self, feeds: Feeds, places: NDArray[np.int64]) -> list[NDArray[Any]]:
        """All outputs of one text at some places int64[P], for each an array [1, P, ...]; errors are those of `Engine.run`."""
        ...


#: Opens a model: the bundle's folder, its manifest, and options that the runtime takes.
OpenEngine = Callable[[Path, Manifest, OpenOptions], Engine]
