"""What runs a bundle's model: one engine per runtime, all with this interface and opened in this one way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

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
    """A model that is loaded into its runtime. It is given checked arrays and may be called from one thread at a time.

    `ops` says which lookup it uses: ``custom`` (the native kernels) or ``builtin``. `lengths` are the only sequence lengths that it
    takes, rising; empty where any will do. `package` is the distribution that runs it, empty where that is compiled code.
    """

    ops: str
    lengths: tuple[int, ...]
    package: str

    @property
    def profile_note(self) -> str:
        """What is to be said of the cost by operator, or why there is none; empty for nothing."""
        ...

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """All outputs, in the order of the manifest; `InputError` with the runtime's words if it refuses the inputs."""
        ...

    def bare(self, feeds: Feeds) -> Callable[[], object]:
        """A call that runs the model on these inputs with as little of Python around it as there can be: for counting instructions."""
        ...

    def end_profile(self) -> Path | None:
        """Finish the profile by operator and give the file that holds it, a Chrome trace; None where there is none."""
        ...

    def close(self) -> None:
        """Give back what it holds. It is called once, and nothing after it."""
        ...


#: Opens a model: the bundle's folder, its manifest, and options that the runtime takes.
OpenEngine = Callable[[Path, Manifest, OpenOptions], Engine]
