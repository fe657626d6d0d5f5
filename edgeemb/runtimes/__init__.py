"""Opening and running bundles: one engine per runtime behind one `Session`."""

from __future__ import annotations

from edgeemb.runtimes.engine import OPS, OpenOptions
from edgeemb.runtimes.opening import describe, is_bundle, open_bundle, open_folder
from edgeemb.runtimes.session import Session

__all__ = ["OPS", "OpenOptions", "Session", "describe", "is_bundle", "open_bundle", "open_folder"]
