"""Showing reports: on a terminal, in markdown, and as one HTML page that needs no network."""

from edgeemb.report.page import render_page, write_page
from edgeemb.report.text import print_comparison, print_profile, to_markdown

__all__ = ["print_comparison", "print_profile", "render_page", "to_markdown", "write_page"]
