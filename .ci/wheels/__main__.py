"""Builds a wheel for each platform with the C compiler in the package ziglang, and audits it: ``python .ci/wheels OUT [TAG ...]``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from audit import audit
from platforms import PLATFORMS, UNIVERSAL, Platform, parts_of
from universal import join_wheels

ROOT = Path(__file__).resolve().parent.parent.parent


def build(platform: Platform, out: Path) -> Path:
    """Build the wheel of a platform.

    :param platform: the platform.
    :param out: an existing folder.
    :return: the wheel.
    """
    with tempfile.TemporaryDirectory() as place:
        define = "--config-settings=cmake.define."
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        command += [f"--wheel-dir={place}", f"--config-settings=build-dir={place}/build"]
        command += [f"{define}CMAKE_SYSTEM_NAME={platform.system}"]
        command += [f"{define}CMAKE_SYSTEM_PROCESSOR={platform.processor}"]
        # CMake asks for it on macOS; a plain library is not changed after it was linked.
        command += [f"{define}CMAKE_INSTALL_NAME_TOOL=true", str(ROOT)]
        # CMake's search for a compiler keeps no arguments of CC.
        compiler = Path(place, "cc")
        compiler.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -m ziglang cc -s -target {platform.triple} "$@"\n'
        )
        compiler.chmod(0o755)
        subprocess.run(command, check=True, env={**os.environ, "CC": str(compiler)})
        (wheel,) = Path(place).glob("*.whl")
        command = [
            sys.executable,
            "-m",
            "wheel",
            "tags",
            "--remove",
            f"--platform-tag={platform.tag}",
            str(wheel),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (wheel,) = Path(place).glob("*.whl")
        return Path(shutil.copy2(wheel, out))


def main(arguments: list[str]) -> int:
    """Build and audit; the exit status is 1 if a wheel has a fault."""
    if not arguments:
        print("usage: python .ci/wheels OUT [TAG ...]", file=sys.stderr)
        return 2
    out, tags = Path(arguments[0]), arguments[1:]
    known = [*(platform.tag for platform in PLATFORMS), *UNIVERSAL]
    if unknown := [tag for tag in tags if tag not in known]:
        print(f"no platform {', '.join(unknown)}: use {', '.join(known)}", file=sys.stderr)
        return 2
    out.mkdir(parents=True, exist_ok=True)
    faults = []
    built: dict[Platform, Path] = {}
    for tag in tags or known:
        with tempfile.TemporaryDirectory() as place:
            # What a universal wheel is made of is kept only where it was asked for.
            for part in parts_of(tag):
                if part not in built:
                    built[part] = build(part, out if part.tag == tag else Path(place))
            wheels = [built[part] for part in parts_of(tag)]
            wheel = join_wheels(wheels, tag, out) if tag in UNIVERSAL else wheels[0]
            built = {part: path for part, path in built.items() if path.parent == out}
        found = audit(wheel, parts_of(tag))
        print(f"{wheel}: {wheel.stat().st_size / 1e6:.2f} MB, {'; '.join(found) or 'audited'}")
        faults += found
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
