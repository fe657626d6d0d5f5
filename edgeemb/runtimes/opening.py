"""Opening bundles: one `Session` in front of the engine for the bundle's runtime."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edgeemb.bundle.manifest import MANIFEST, Manifest, read_manifest
from edgeemb.bundle.reading import unpack, verify, zipped_manifest
from edgeemb.errors import BundleError, SpecError
from edgeemb.runtimes.engine import OPS, Engine, OpenOptions
from edgeemb.runtimes.registry import RUNTIMES
from edgeemb.runtimes.runtime import Runtime
from edgeemb.runtimes.session import Session
from edgeemb.scratch import Scratch
from edgeemb.vectors.form import form_of


def open_bundle(
    path: str | Path,
    *,
    ops: str = "auto",
    threads: int = 0,
    verify_files: bool = True,
    ops_profile: Path | None = None,
    allow_code: bool = False,
) -> Session:
    """Open a bundle.

    A bundle is data, with one exception: a C export is source code, and to open it is to compile and run that code.

    :param path: the folder that `edgeemb.export` wrote, or a zip of it, which is unpacked for as long as the session lives.
    :param ops: ``custom`` runs the native kernels, ``builtin`` the runtime's own ops, ``auto`` the kernels where they are installed.
    :param threads: threads within an op; 0 leaves the choice to the runtime.
    :param verify_files: check that no file is missing or altered.
    :param ops_profile: prefix of a file for the runtime's profile by operator, or None.
    :param allow_code: compile and run source code that the bundle holds. Allow it if you trust its author.
    :return: an open session.
    :raises BundleError: if the bundle is missing, damaged or newer than this edgeemb, cannot be loaded, or holds code that is not allowed.
    :raises SpecError: if an option is not known, or the bundle's runtime does not have it.
    :raises NativeError: if ops is ``custom`` and the native library is missing.
    """
    options = OpenOptions(ops, threads, ops_profile, allow_code)
    with ExitStack() as stack:
        folder, manifest = stack.enter_context(checked(Path(path), verify_files=verify_files))
        session = open_folder(folder, manifest, options)
        session.keep = stack.pop_all()
    return session


@contextmanager
def checked(bundle: Path, *, verify_files: bool = True) -> Iterator[tuple[Path, Manifest]]:
    """A bundle's folder and manifest, with every file checked. A zipped bundle is unpacked for as long as the block runs.

    :param bundle: the bundle's folder or zip file.
    :param verify_files: check that no file is missing or altered, and that the model reads no others.
    :raises BundleError: if it is not a bundle, or is damaged.
    """
    with ExitStack() as stack:
        if bundle.is_file():
            folder = stack.enter_context(Scratch())
            manifest = unpack(bundle, folder)
        elif bundle.is_dir():
            folder = bundle.resolve()
            manifest = read_manifest(folder)
        else:
            raise BundleError(f"{bundle} does not exist: make a bundle with edgeemb export")
        if verify_files:
            _check_files(folder, manifest)
        yield folder, manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    verify(folder, manifest.files)
    runtime = RUNTIMES.get(manifest.runtime)
    if runtime is None:
        return
    if runtime.model not in manifest.files:
        raise BundleError(
            f"{folder / MANIFEST} does not list {runtime.model}, which would be opened unchecked: do not use this bundle"
        )
    if runtime.checks:
        runtime.resolve(runtime.checks)(folder, manifest)


def open_folder(folder: Path, manifest: Manifest, options: OpenOptions | None = None) -> Session:
    """Open a model whose manifest is already known, as an export does to check what it wrote.

    :param folder: holds the model's files.
    :param manifest: describes them.
    :param options: how to open it.
    :raises BundleError: if the runtime is not known, not installed, or cannot load the model.
    :raises SpecError: if an option is not known, or the runtime does not have it.
    :raises NativeError: if ops is ``custom`` and the native library is missing.
    """
    chosen = options or OpenOptions()
    runtime = RUNTIMES.get(manifest.runtime)
    if runtime is None:
        raise BundleError(
            f"{folder} is for the runtime '{manifest.runtime}', which this edgeemb does not know: update edgeemb"
        )
    check_code(folder, manifest, allowed=chosen.allow_code)
    _check(folder, manifest, runtime, chosen)
    form_of(manifest)  # before anything is loaded
    return Session(folder, manifest, runtime, _engine(folder, manifest, runtime, chosen))


def check_code(folder: Path, manifest: Manifest, *, allowed: bool) -> None:
    """Refuse a bundle whose own code would be run.

    :param folder: what to call the bundle in the error.
    :param manifest: its manifest.
    :param allowed: whether the caller allows it.
    :raises BundleError: if it is source code and that is not allowed.
    """
    runtime = RUNTIMES.get(manifest.runtime)
    if runtime is not None and runtime.is_source and not allowed:
        raise BundleError(
            f"{folder} is {runtime.title} source, which would be compiled and run here: if you trust who made it, use allow_code=True"
        )


def _check(folder: Path, manifest: Manifest, runtime: Runtime, options: OpenOptions) -> None:
    """Refuse options that the runtime does not have."""
    if options.ops not in OPS:
        raise SpecError(f'ops="{options.ops}" is not known: use {", ".join(OPS)}')
    if runtime.fixed_ops and options.ops not in ("auto", manifest.ops):
        raise SpecError(
            f'{folder} was exported with ops="{manifest.ops}", which {runtime.title} cannot change: export it again with ops="{options.ops}"'
        )
    if options.threads < 0:
        raise SpecError(
            f"threads={options.threads} is out of range: use 0 for the runtime's choice, or a number of 1 or more"
        )
    if options.threads > 1 and (reason := runtime.one_thread(folder, manifest.name)):
        raise SpecError(
            f"{folder} has no use for threads={options.threads}, as {reason}: leave `threads` out"
        )
    if options.ops_profile is not None and not runtime.profiles:
        raise SpecError(f"{runtime.title} has no profile by operator: leave `ops_profile` out")


def _engine(folder: Path, manifest: Manifest, runtime: Runtime, options: OpenOptions) -> Engine:
    try:
        engine: Engine = runtime.resolve(runtime.opens)(folder, manifest, options)
    except ModuleNotFoundError as error:
        extra = f"'edgeemb[{runtime.extra}]'" if runtime.extra else "edgeemb"
        raise BundleError(
            f"running a bundle for {runtime.title} needs the package '{error.name}': pip install {extra}"
        ) from None
    return engine


def describe(path: Path) -> Manifest:
    """The manifest of a bundle, without opening its model.

    :param path: a bundle's folder, or a zip of it.
    :raises BundleError: if it is not a bundle, or is damaged.
    """
    return zipped_manifest(path) if path.is_file() else read_manifest(path)


def is_bundle(path: Path) -> bool:
    """Whether a path looks like a bundle: a folder with a manifest, or a zip file.

    :param path: any path.
    """
    return (path / MANIFEST).is_file() or (path.is_file() and zipfile.is_zipfile(path))
