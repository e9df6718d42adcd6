"""The curve of estimates over the share of rows that are kept with a neighbour."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mmfeat.report.plots import make_axes
from mmfeat.report.svg import ACCENT, SOFT, styled
from mmfeat.sensitivity.curve import Curve


def draw_curve(curve: Curve) -> Figure:
    """Draw macro-F1 over the share of linked rows, each point with its cosine."""
    with styled():
        figure, axes = make_axes("rows kept with a neighbour", "macro-F1 out of fold")
        linked = [point.linked for point in curve.points]
        values = [point.value for point in curve.points]
        axes.axhspan(*curve.interval, color=ACCENT, alpha=0.12, linewidth=0)
        axes.plot(linked, values, "o-", color=ACCENT, markersize=5, linewidth=1.4)
        axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        for point in curve.points[1:]:
            axes.annotate(
                f"{point.cosine:.2f}",
                (point.linked, point.value),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=9,
                color=SOFT,
            )
    return figure
