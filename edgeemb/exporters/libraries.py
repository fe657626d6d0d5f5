"""The native lookups that a bundle with custom ops carries in ``lib/``."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgeemb.errors import SpecError
from edgeemb.exporters.choice import Choice
from edgeemb.exporters.kits.android.library import ABIS, build_library
from edgeemb.exporters.targets import host_abi
from edgeemb.native.libraries import find_library


def add_libraries(choice: Choice, folder: Path) -> None:
    """Put the native lookups for each ABI of the target into ``lib/``: this machine's own, or built for the phone.

    :param choice: what the export is made for.
    :param folder: the bundle.
    :raises SpecError: if there is none for an ABI of the target.
    :raises NativeError: if this installation lacks its own, or one cannot be compiled.
    """
    for abi in choice.target.abis:
        place = folder / "lib" / abi
        if abi == host_abi():
            place.mkdir(parents=True)
            library = find_library(choice.runtime.library)
            shutil.copy2(library, place / library.name)
        elif abi in ABIS:
            place.mkdir(parents=True)
            build_library(choice.runtime, abi, place)
        else:
            raise SpecError(
                f'target {choice.target.name}: no native library for {abi} can be made here; use ops="builtin"'
            )
