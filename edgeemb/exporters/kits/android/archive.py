"""The Android kit as one archive, an ``.aar``, which an app includes without building anything of it.

What is in it: https://developer.android.com/studio/projects/android-library#aar-contents. Its bytes depend on what goes in and on the
Java compiler alone: names are sorted, nothing is compressed, and every file has the oldest date that a zip file can hold. An app's build
packs the files again, aligned and compressed as it likes.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import quoteattr

from edgeemb.errors import NativeError, SpecError
from edgeemb.exporters.kits import Kit
from edgeemb.exporters.kits.android.library import API
from edgeemb.exporters.targets import Target
from edgeemb.native.compilers import run_compiler
from edgeemb.runtimes.c.sources import symbol_prefix
from edgeemb.scratch import Scratch

#: Name of the archive in ``kit/``.
ARCHIVE = "edgeemb.aar"

_MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<manifest xmlns:android="http://schemas.android.com/apk/res/android" package={package}>
    <uses-sdk android:minSdkVersion="{api}" />
</manifest>
"""
_METADATA = """aarFormatVersion=1.0
aarMetadataVersion=1.0
minCompileSdk=1
minCompileSdkExtension=0
minAndroidGradlePluginVersion=1.0.0
coreLibraryDesugaringEnabled=false
"""
_OLDEST = (1980, 1, 1, 0, 0, 0)


def check_aar(target: Target) -> None:
    """Refuse an archive where there is no Android kit, or no compiler of Java, before anything is exported.

    :param target: what the export is for.
    :raises SpecError: if the target has another kit, or none.
    :raises NativeError: if there is no compiler.
    """
    if target.kit != "android":
        raise SpecError(
            f'aar=True is for targets with the Android kit, not for {target.name}: use target="android"'
        )
    java_compiler()


def java_compiler() -> str:
    """Path of the compiler of Java.

    :raises NativeError: if there is none.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("javac", path=str(Path(home, "bin")) if home else None)
    if found is None:
        where = "JAVA_HOME has no bin/javac" if home else "javac is not on the PATH"
        raise NativeError(
            f"an .aar needs a compiler of Java, and {where}: apt-get install default-jdk-headless"
        )
    return found


def write_archive(kit: Kit, files: Sequence[str]) -> Path:
    """Pack a kit that has been written into ``kit/edgeemb.aar``.

    :param kit: the kit.
    :param files: the files of the bundle that the app carries.
    :return: the archive.
    :raises NativeError: if there is no compiler of Java, or it fails.
    """
    assets = f"assets/edgeemb/{kit.manifest.name}"
    package = f"edgeemb.{symbol_prefix(kit.manifest.name)}_model"
    texts = {
        "AndroidManifest.xml": _MANIFEST.format(package=quoteattr(package), api=API),
        "META-INF/com/android/build/gradle/aar-metadata.properties": _METADATA,
        # There are no resources.
        "R.txt": "",
    }
    content: dict[str, bytes | Path] = {name: text.encode() for name, text in texts.items()}
    content["proguard.txt"] = kit.folder / "consumer-rules.pro"
    content["classes.jar"] = _classes(kit)
    content |= {f"{assets}/{name}": kit.bundle / name for name in files}
    content |= {f"{assets}/{path.name}": path for path in (kit.folder / "assets").iterdir()}
    for place in (kit.bundle / "lib", kit.folder / "jniLibs"):
        content |= {f"jni/{path.parent.name}/{path.name}": path for path in place.glob("*/*.so")}
    archive = kit.folder / ARCHIVE
    with archive.open("wb") as out, zipfile.ZipFile(out, "w") as packed:
        _pack(packed, content)
    return archive


def _classes(kit: Kit) -> bytes:
    """The kit's own classes, as a jar. What is Android's or a runtime's is declared in the stubs, of which no class is kept."""
    code = sorted((kit.folder / "src" / "main" / "java").rglob("*.java"))
    with Scratch() as scratch:
        command = [
            java_compiler(),
            "--release",
            "8",
            "-Xlint:-options",
            "-implicit:none",
            "-encoding",
            "UTF-8",
        ]
        command += ["-sourcepath", str(kit.source("android") / "stubs"), "-d", str(scratch), *map(str, code)]
        try:
            run_compiler(command)
        except NativeError as error:
            raise NativeError(f"the Android kit cannot be compiled ({error}): use Java 9 or newer") from None
        content: dict[str, bytes | Path] = {
            path.relative_to(scratch).as_posix(): path for path in scratch.rglob("*.class")
        }
        jar = BytesIO()
        with zipfile.ZipFile(jar, "w") as packed:
            _pack(packed, {"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\r\n\r\n", **content})
        return jar.getvalue()


def _pack(packed: zipfile.ZipFile, content: Mapping[str, bytes | Path]) -> None:
    for name in sorted(content):
        entry = zipfile.ZipInfo(name, _OLDEST)
        entry.external_attr = 0o644 << 16
        entry.create_system = 3  # the same on every system
        source = content[name]
        if isinstance(source, bytes):
            packed.writestr(entry, source)
        else:
            entry.file_size = source.stat().st_size
            with source.open("rb") as file, packed.open(entry, "w") as out:
                shutil.copyfileobj(file, out, 1 << 20)
