"""The report: one self-contained HTML page about runs, and its plots as files."""

from __future__ import annotations

from mmfeat.report.report import ReportOptions, write_report

__all__ = ["ReportOptions", "write_report"]
