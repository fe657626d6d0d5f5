"""The system that a program for 64-bit Arm needs: a small Debian, and Python packages, both unpacked into the user's cache.

Nothing is installed, and no special rights are needed. The packages come from the sources that this machine's apt and pip use already; apt works with
a configuration of its own (apt.conf(5): ``Dir::State``, ``Dir::Cache``, ``APT::Architecture``), and packages are unpacked, not installed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgeemb.cache import digest_of, made_once
from edgeemb.errors import DeviceError
from edgeemb.scratch import Scratch

#: Debian packages, with what they depend on: Python, and the libraries that wheels expect of a system.
DEBIAN_PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "libgomp1")
ARCHITECTURE = "arm64"

#: Platforms of wheels that the Debian can run.
_PLATFORMS = tuple(
    f"{name}_aarch64" for name in ("manylinux2014", "manylinux_2_17", "manylinux_2_27", "manylinux_2_28")
)
_TIMEOUT_SECONDS = 600
_REMEDIES = {
    "apt": "check the network, and that the sources of apt have packages for arm64",
    "pip": "check the network; a package without a wheel for 64-bit Arm cannot run there",
    "dpkg-deb": "check that the disk has room",
}
_SOURCES = ("sources.list", "sources.list.d")


def system() -> Path:
    """Folder of a small Debian for 64-bit Arm, fetched now unless it already was.

    :raises DeviceError: if apt is missing, or cannot get the packages.
    """
    return made_once(f"arm64/debian-{digest_of(*DEBIAN_PACKAGES, *_sources())}", _fetch_debian, DeviceError)


def python(debian: Path) -> Path:
    """The interpreter of `system`.

    :param debian: what `system` gave.
    :raises DeviceError: if there is none.
    """
    found = sorted(debian.glob("usr/bin/python3.*[0-9]"))
    if not found:
        raise DeviceError(f"{debian} holds no Python: delete this folder, and it will be fetched again")
    return found[0]


def site(packages: Sequence[str], release: str) -> Path:
    """Folder with Python packages for 64-bit Arm, in the versions that are installed here; fetched now unless it already was.

    :param packages: their names; what they depend on is not fetched.
    :param release: version of the Python that imports them, such as ``3.11``.
    :raises DeviceError: if one is not installed here, has no wheel for 64-bit Arm, or cannot be fetched.
    """
    wanted = [f"{name}=={_version(name)}" for name in packages]
    return made_once(
        f"arm64/site-{digest_of(release, *wanted)}",
        lambda folder: _fetch_wheels(wanted, release, folder),
        DeviceError,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise DeviceError(
            f"the emulated phone takes the version of {package} that is installed here, but none is: pip install {package}"
        ) from None


def _sources() -> list[bytes]:
    """The package sources of this machine's apt: another release of Debian gives another system."""
    folder = Path("/etc/apt")
    files = [path for name in _SOURCES for path in ([folder / name, *sorted((folder / name).glob("*"))])]
    return [path.read_bytes() for path in files if path.is_file()]


def _fetch_debian(folder: Path) -> None:
    for program, package in (("apt-get", "apt"), ("dpkg-deb", "dpkg")):
        if shutil.which(program) is None:
            raise DeviceError(
                f"{program} is not installed, and the system of the emulated phone is made of Debian packages: "
                f"use Debian or Ubuntu, or apt-get install {package}"
            )
    with Scratch() as state:
        for name in ("state/lists/partial", "cache/archives/partial"):
            (state / name).mkdir(parents=True)
        (state / "status").touch()
        settings = {
            "Dir::State": state / "state",
            "Dir::State::status": state / "status",
            "Dir::Cache": state / "cache",
            "APT::Architecture": ARCHITECTURE,
            "APT::Architectures": ARCHITECTURE,
            # The user apt would otherwise switch to cannot read a private folder.
            "APT::Sandbox::User": "root",
            "Acquire::Retries": "2",
        }
        apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in settings.items())]
        _run([*apt, "-oAPT::Update::Error-Mode=any", "update"], "apt")
        _run([*apt, "-y", "--no-install-recommends", "--download-only", "install", *DEBIAN_PACKAGES], "apt")
        for path in sorted((state / "cache" / "archives").glob("*.deb")):
            _run(["dpkg-deb", "-x", str(path), str(folder)], "dpkg-deb")


def _fetch_wheels(wanted: Sequence[str], release: str, folder: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise DeviceError(
            "pip is not installed in this environment, but is needed to fetch the wheels for the emulated phone: python -m ensurepip"
        )
    with Scratch() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--retries", "1", "--timeout", "20", "--no-deps", "--only-binary", ":all:"]
        command += ["--python-version", release, "--dest", str(scratch)]
        for platform in _PLATFORMS:
            command += ["--platform", platform]
        _run([*command, *wanted], "pip")
        for path in sorted(scratch.glob("*.whl")):
            with zipfile.ZipFile(path) as wheel:
                wheel.extractall(folder)


def _run(command: Sequence[str], name: str) -> None:
    """Run a program that fetches or unpacks.

    :raises DeviceError: with its own reason if it fails.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise DeviceError(f"{name} did not end within {_TIMEOUT_SECONDS} s: check the network") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith(("e:", "error"))] or lines or ["nothing"]
        raise DeviceError(
            f"setting up the emulated phone failed, {name} says '{errors[-1]}': {_REMEDIES[name]}"
        )
