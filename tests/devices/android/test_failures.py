"""Phones on adb: everything that can go wrong, in one line and with nothing left on the phone."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from edgeemb.bundle.manifest import MANIFEST
from edgeemb.bundle.reading import file_entry
from edgeemb.devices import profile_on
from edgeemb.devices.android import adb
from edgeemb.devices.android.profile import profile
from edgeemb.devices.plan import ProfilePlan
from edgeemb.errors import DeviceError
from edgeemb.report.comparison import profile_on_all
from tests.fixtures.adb.cases import QUICK, plugged_in, value
from tests.fixtures.adb.phone import FakePhone
from tests.fixtures.requirements import requires_program

pytestmark = requires_program("qemu-aarch64", "qemu-user")

#: What the broken model does for each length: a bad address, an endless loop, and one that the runner's own alarm does not end.
CRASH, HANG, DEAF = 5, 6, 7


@pytest.fixture(scope="module")
def broken(phone_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a model that crashes or hangs for some lengths."""
    folder = tmp_path_factory.mktemp("broken") / "broken"
    shutil.copytree(phone_bundle, folder)
    source = folder / "model.c"
    text = source.read_text("utf-8")
    call = next(line for line in text.splitlines() if line.startswith("    embed(&memory, "))
    faults = (
        f"    if (tokens == {CRASH}) *(volatile char *)8 = 1;\n"
        f"    if (tokens == {DEAF}) alarm(0);\n"
        f"    while (tokens == {HANG} || tokens == {DEAF}) {{ }}\n"
    )
    source.write_text("unsigned alarm(unsigned seconds);\n" + text.replace(call, faults + call), "utf-8")
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    manifest["files"]["model.c"] = asdict(file_entry(source))
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return folder


def test_says_what_to_do_without_a_phone(adb_server: Path, phone_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="no phone is attached: switch on USB debugging"):
        profile_on("android", phone_bundle, QUICK)
    command = [
        sys.executable,
        "-m",
        "edgeemb.cli.app",
        "profile",
        str(phone_bundle),
        "--device",
        "android",
        "--allow-code",
    ]
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1 and failed.stderr.startswith("error: no phone is attached")
    with (
        plugged_in(adb_server, tmp_path / "phone") as phone,
        pytest.raises(DeviceError, match=f"no phone 'other' is attached: adb sees {phone.serial}"),
    ):
        profile_on("android:other", phone_bundle, QUICK)


@pytest.mark.usefixtures("adb_server")
def test_measures_the_other_devices_where_no_phone_is_attached(phone_bundle: Path) -> None:
    plan = ProfilePlan((5,), runs=2, budget_s=0.01, cores="big", allow_code=True)
    host, phone = profile_on_all(phone_bundle, ("host", "android"), plan, allow_missing=True).reports
    assert (value(host, "p50_ms", 5, 1) or 0) > 0
    absent = phone.find("p50_ms", 5, 1)
    assert absent is not None
    assert absent.reason.startswith("no phone is attached")


def test_says_what_to_install_without_adb(phone_bundle: Path) -> None:
    code = (
        "import sys; sys.modules['adbutils'] = None\n"
        "from edgeemb.cli.app import main\n"
        f"main(['profile', {str(phone_bundle)!r}, '--device', 'android', '--allow-code'])"
    )
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr == "error: phones need the package adbutils: pip install 'edgeemb[android]'\n"


def test_asks_which_of_two_phones_to_use(adb_server: Path, phone_bundle: Path, tmp_path: Path) -> None:
    with plugged_in(adb_server, tmp_path / "a") as first, plugged_in(adb_server, tmp_path / "b") as second:
        choices = " or ".join(sorted(f"--device android:{phone.serial}" for phone in (first, second)))
        with pytest.raises(DeviceError, match="2 phones are attached: choose one with ") as caught:
            profile_on("android", phone_bundle, QUICK)
        assert " or ".join(sorted(str(caught.value).partition("with ")[2].split(" or "))) == choices
        assert adb.find_phone(second.serial).serial == second.serial


def test_asks_to_accept_the_key_on_a_phone_that_does_not_trust_the_computer(
    adb_server: Path, phone_bundle: Path, tmp_path: Path
) -> None:
    with (
        plugged_in(adb_server, tmp_path / "phone", authorised=False) as phone,
        pytest.raises(
            DeviceError, match=f"{phone.serial} does not trust this computer yet: unlock it and accept"
        ),
    ):
        profile_on("android", phone_bundle, QUICK)


FAILURES = {
    "full": ({"free_bytes": 4096}, "has no room for [0-9]+ bytes in /data/local/tmp: free some storage"),
    "noexec": ({"runs_programs": False}, "cannot run programs in /data/local/tmp .*Permission denied"),
    "lost": ({"lost_after": 4096}, "was lost while files were sent to it: check the cable"),
}


@pytest.mark.parametrize("what", FAILURES)
def test_leaves_nothing_on_a_phone_that_is_full_refuses_to_run_or_was_away(
    what: str, adb_server: Path, phone_bundle: Path, tmp_path: Path
) -> None:
    options, message = FAILURES[what]
    with plugged_in(adb_server, tmp_path / "phone", **options) as phone:
        with pytest.raises(DeviceError, match=message) as caught:
            profile_on("android", phone_bundle, QUICK)
        assert "\n" not in str(caught.value)
        assert phone.left() == []


def test_names_what_it_could_not_remove_from_a_phone_that_stays_away(
    adb_server: Path, phone_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adb, "RETURN_S", 0.5)
    with plugged_in(adb_server, tmp_path / "phone", lost_after=4096, comes_back=False) as phone:
        with pytest.raises(DeviceError, match="was lost while files were sent to it") as caught:
            profile_on("android", phone_bundle, QUICK)
        (left,) = phone.left()
        assert str(caught.value).endswith(f"adb -s {phone.serial} shell rm -rf /data/local/tmp/{left}")


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (CRASH, r"the runner crashed on 127.0.0.1:\d+: a bad address \(signal 11\)"),
        (HANG, r"the runner hung on 127.0.0.1:\d+: it was ended after 4 s"),
        (DEAF, r"127.0.0.1:\d+ did not answer within 7 s while the runner ran: it hangs"),
    ],
    ids=["crash", "hang", "deaf"],
)
def test_ends_a_runner_that_crashes_or_hangs_and_leaves_nothing(
    length: int, message: str, adb_server: Path, broken: Path, tmp_path: Path
) -> None:
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        with pytest.raises(DeviceError, match=message):
            profile(
                "android", broken, ProfilePlan((length,), runs=2, budget_s=1e-3, allow_code=True), limit_s=4
            )
        assert phone.left() == []
        assert not running(phone)


def test_leaves_nothing_when_it_is_interrupted(adb_server: Path, broken: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "edgeemb.cli.app",
        "profile",
        str(broken),
        "--device",
        "android",
        "--allow-code",
    ]
    with plugged_in(adb_server, tmp_path / "phone") as phone:
        process = subprocess.Popen(
            [*command, "--lengths", str(DEAF)],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Whoever runs the tests in the background has it ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            until = time.monotonic() + 120
            while not any("mode=memory" in line for line in phone.commands):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 1
        assert errors == "interrupted: nothing was left behind\n"
        assert phone.left() == []
        assert not running(phone)


def running(phone: FakePhone) -> list[str]:
    """Command lines of programs that still run out of a phone's folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if re.search(rf"qemu-aarch64 .*{re.escape(str(phone.folder))}", line):
            found.append(line)
    return found
