"""Runs a reader under libFuzzer: ``python -m tests.fuzz.run TARGET [libFuzzer's options] [corpora]``, or ``slice COUNT`` of all without it.

The readers' own code is instrumented, so that inputs which reach new parts of it are kept and changed further; those that are JSON are changed as
values half of the time.
"""

from __future__ import annotations

import random
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.changes import changed, changed_json
from tests.fuzz.readers import READERS, Reader, family
from tests.places import ROOT

HERE = Path(__file__).parent


def main() -> None:
    """Run a target, or a slice of all; the process ends with the first input that breaks a rule."""
    if sys.argv[1] == "slice":
        run_slice(int(sys.argv[2]))
    else:
        run_guided(READERS[sys.argv.pop(1)])


def run_guided(target: Reader) -> None:
    """Run a target under libFuzzer, with the rest of the arguments.

    :param target: the reader.
    """
    import atheris

    # The finder of an editable install brings a loader of its own, under which nothing would be instrumented.
    found = find_spec("edgeemb")
    places = list(found.submodule_search_locations or ()) if found is not None else []
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if type(finder).__module__ != "_editable_skbc_edgeemb"
    ]
    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["edgeemb"]), tempfile.TemporaryDirectory() as scratch:
        import edgeemb

        edgeemb.__path__ = places
        work = Path(scratch) / "work"
        # Everything that the target imports, so that it is instrumented.
        for data in _whole(target, Path(scratch) / "seeds"):
            check(target, work, data)

        def mutate(data: bytes, most: int, seed: int) -> bytes:
            rng = random.Random(seed)
            made = changed_json(data, rng) if rng.random() < 0.5 else None
            return bytes(atheris.Mutate(data, most)) if made is None or len(made) > most else made

        options = {"custom_mutator": mutate} if target.is_json else {}
        atheris.Setup(sys.argv, lambda data: check(target, work, data), **options)
        atheris.Fuzz()


def run_slice(count: int) -> None:
    """Give every reader the inputs of its corpus, and some that were changed at random, always the same ones.

    :param count: changed inputs for each reader.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for name, target in READERS.items():
            print(name, flush=True)
            whole = _whole(target, Path(scratch) / "seeds")
            kept = [path.read_bytes() for path in sorted((HERE / "corpus" / name).glob("*"))]
            rng = random.Random(name)
            for number in range(-len(whole) - len(kept), count):
                data = (
                    (whole + kept)[number] if number < 0 else changed(rng.choice(whole), rng, target.is_json)
                )
                check(target, Path(scratch) / "work", data)


def check(target: Reader, folder: Path, data: bytes) -> None:
    """Let a reader read some bytes.

    :param target: the reader.
    :param folder: for its file.
    :param data: what is in it.
    :raises AssertionError: if its error has more than a line; any other exception is the reader's own.
    """
    path = _empty(folder) / f"file{target.suffix}"
    path.write_bytes(data)
    try:
        target.read(path)
    except family() as problem:
        assert "\n" not in str(problem), f"more than a line: {problem}"


def _whole(target: Reader, folder: Path) -> list[bytes]:
    target.seeds(_empty(folder))
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def _empty(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    return folder


if __name__ == "__main__":
    main()
