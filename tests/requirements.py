"""System programs that a few tests need and pip cannot install."""

from __future__ import annotations

import os
import shutil

import pytest


def requires_program(name: str, package: str) -> pytest.MarkDecorator:
    """Skip a test, with the reason, where a system program is missing; where ``CI`` is set the test runs, and fails, instead.

    :param name: the program, as it is called.
    :param package: the Debian package that has it.
    """
    missing = shutil.which(name) is None and not os.environ.get("CI")
    return pytest.mark.skipif(missing, reason=f"{name} is not installed: apt-get install {package}")
