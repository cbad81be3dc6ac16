"""Journals of a test's own, where an fsync is no wait."""

from __future__ import annotations

from tests.workflows.sorting.conftest import quick_folder, quick_journals

__all__ = ["quick_folder", "quick_journals"]
