"""The learning curve: estimates over the rows that heads learned from, and the law beyond them."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from mmfeat.learning.curve import LearningCurve
from mmfeat.report.plots import DASHED, make_axes
from mmfeat.report.svg import ACCENT, SOFT, styled


def draw_learning_curve(curve: LearningCurve) -> Figure:
    """Draw the points with their intervals, and the law with its band, dashed beyond the rows."""
    with styled():
        figure, axes = make_axes("rows learned from", curve.objective)
        sizes = [point.n_trained for point in curve.points]
        values = [point.value for point in curve.points]
        if curve.line:
            line = [each.n_trained for each in curve.line]
            law = [each.value for each in curve.line]
            low, high = zip(*(each.interval for each in curve.line), strict=True)
            axes.fill_between(line, low, high, color=ACCENT, alpha=0.12, linewidth=0)
            beyond = sum(size <= sizes[-1] for size in line)
            axes.plot(line[:beyond], law[:beyond], color=ACCENT, linewidth=1.4)
            axes.plot(line[beyond - 1 :], law[beyond - 1 :], color=ACCENT, linestyle=DASHED)
        for size, point in zip(sizes, curve.points, strict=True):
            axes.plot([size, size], point.interval, color=SOFT, linewidth=1)
        axes.plot(sizes, values, "o", color=ACCENT, markersize=5)
        ticks = sizes[::2] if len(sizes) % 2 else sizes[1::2]
        axes.set_xscale("log")
        axes.set_xticks([*ticks, *(each.n_trained for each in curve.forecasts)])
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.minorticks_off()
    return figure
