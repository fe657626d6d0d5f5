"""System programs that a few tests need and pip cannot install."""

from __future__ import annotations

import os
import platform
import shutil
import sys

import pytest

#: The pinned tflite-micro has a wheel for this Python alone, and tflite-runtime's last wheels are for it.
HAS_TFLM_WHEEL = sys.version_info[:2] == (3, 11) and platform.machine() == "x86_64"
needs_tflm_wheel = pytest.mark.skipif(
    not HAS_TFLM_WHEEL,
    reason="tflite-micro and tflite-runtime have no wheel for this Python: use 3.11 on x86-64",
)


def requires_program(name: str, package: str) -> pytest.MarkDecorator:
    """Skip a test, with the reason, where a system program is missing; where ``CI`` is set the test runs, and fails, instead.

    :param name: the program, as it is called.
    :param package: the Debian package that has it.
    """
    missing = shutil.which(name) is None and not os.environ.get("CI")
    return pytest.mark.skipif(missing, reason=f"{name} is not installed: apt-get install {package}")
