"""The report: one self-contained HTML page about runs, and its plots as files."""

from __future__ import annotations

from mmfeat.core.files import away_from_data

with away_from_data():  # it reads a `matplotlibrc` of the current folder when it is imported
    import matplotlib as matplotlib

from mmfeat.report.report import ReportOptions, write_report

__all__ = ["ReportOptions", "write_report"]
