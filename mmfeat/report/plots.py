"""Every plot of a run, drawn by matplotlib without its global state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from mmfeat.report.curves import GRID, ClassCurve, RunCurves
from mmfeat.report.svg import ACCENT, INK, LINE, SOFT, styled
from mmfeat.types import Float64Array

WIDTH = 380.0  # points; half of a wide page, and the width of a phone
HEIGHT = 260.0
FRAME = (0.14, 0.16, 0.84, 0.74)  # of axes in a figure; automatic layout takes twice as long
COLUMNS = 4
PANEL, ROOM, MARGIN = 62.0, 25.0, 6.0  # height of a panel, the label above it, the foot; points
MAX_NAMED = 20  # with more classes, a scatter plot names only the worst
MAX_AT_ZERO = 3  # with more classes at 0, the plot tells their number, and no names
NAME: Any = {"textcoords": "offset points", "xytext": (4, 3), "fontsize": 9, "color": SOFT}
LETTER, LINE_HEIGHT = 5.0, 9.0  # how wide and high a letter of a name is; points
SHORT, SHORTER = 15, 9  # characters of a label; beside a number
DASHED = (0, (4, 3))
MIDDLE_BLUE = "#4f7fe8"  # for images, whose pixels do not follow the page's colours


@dataclass(frozen=True)
class Plot:
    """A plot: title, description, and the function that draws it, or gives None without data."""

    title: str
    about: str
    draw: Callable[[RunCurves], Figure | None]


def draw_all(curves: RunCurves) -> dict[str, Figure]:
    """Draw every plot for which the run has data."""
    with styled():
        drawn = {name: plot.draw(curves) for name, plot in PLOTS.items()}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def precision_recall(curves: RunCurves) -> Figure | None:
    """A panel per class: precision over recall, with the average precision."""
    if not curves.classes:
        return None
    figure, axes, corners = _panels([(curve.label, f"{curve.ap:.2f}") for curve in curves.classes])
    lines = [
        corner + np.column_stack([curve.recall, curve.precision])
        for corner, curve in zip(corners, curves.classes, strict=True)
    ]
    axes.add_collection(LineCollection(lines, colors=ACCENT, linewidths=1.4))
    return figure


def f1_over_threshold(curves: RunCurves) -> Figure | None:
    """A panel per class: F1 over the threshold, the chosen one and the band of the best."""
    if not curves.classes:
        return None
    captions = [(curve.label, f"{curve.threshold:.2f}") for curve in curves.classes]
    figure, axes, corners = _panels(captions)
    pairs = list(zip(corners, curves.classes, strict=True))
    bands = [corner + _box(*curve.band) for corner, curve in pairs]
    xs = [min(curve.threshold, 1.0) for curve in curves.classes]
    cuts = [corner + np.array([[x, 0], [x, 1]]) for corner, x in zip(corners, xs, strict=True)]
    lines = [corner + np.column_stack([GRID, curve.f1]) for corner, curve in pairs]
    axes.add_collection(PolyCollection(bands, facecolors=ACCENT, alpha=0.18, linewidths=0))
    axes.add_collection(LineCollection(cuts, colors=INK, linewidths=1.0))
    axes.add_collection(LineCollection(lines, colors=ACCENT, linewidths=1.4))
    return figure


def reliability(curves: RunCurves) -> Figure:
    """Share of positives over the predicted probability, all cells pooled."""
    figure, axes = make_axes("mean predicted probability", "share of positives")
    mean, share, count = curves.bins.T
    error = 1.96 * np.sqrt(share * (1 - share) / count)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=DASHED)
    axes.vlines(mean, (share - error).clip(0), (share + error).clip(max=1), color=ACCENT, alpha=0.5)
    axes.plot(mean, share, color=ACCENT, marker="o", markersize=4, linewidth=1.4)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return figure


def support_f1(curves: RunCurves) -> Figure | None:
    """F1 over the number of positives, a dot per class."""
    if not curves.classes:
        return None
    figure, axes = make_axes("positives (logarithmic)", "F1")
    axes.set_ylim(-0.03, 1.03)
    honest = [c.f1_there if c.f1_nested is None else c.f1_nested for c in curves.classes]
    _over_support(axes, curves.classes, honest)
    return figure


def nested_tuned(curves: RunCurves) -> Figure | None:
    """Nested F1 minus tuned F1 over the number of positives, a dot per class."""
    pairs = [
        (curve, curve.f1_nested - curve.f1_tuned)
        for curve in curves.classes
        if curve.f1_tuned is not None and curve.f1_nested is not None
    ]
    if not pairs:
        return None
    figure, axes = make_axes("positives (logarithmic)", "F1 nested − F1 tuned")
    axes.axhline(0, color=SOFT, linewidth=0.8, linestyle=DASHED)
    _over_support(axes, *zip(*pairs, strict=True))
    return figure


def together(curves: RunCurves) -> Figure | None:
    """Co-occurrence of labels: true above the diagonal, predicted below."""
    k = len(curves.labels)
    if k < 2:
        return None
    figure = Figure(figsize=(WIDTH / 72, WIDTH / 72), layout="constrained")
    axes = figure.add_subplot()
    shares = np.triu(curves.together_true, 1) + np.tril(curves.together_predicted, -1)
    pixels = np.empty((k, k, 4))
    pixels[..., :3] = to_rgb(MIDDLE_BLUE)
    pixels[..., 3] = np.sqrt(shares / max(shares.max(), 1e-12))  # small shares stay visible
    axes.imshow(pixels, interpolation="none")
    axes.plot([-0.5, k - 0.5], [-0.5, k - 0.5], color=LINE, linewidth=1)
    axes.spines[:].set(visible=True)
    axes.text(1.0, 1.02, "true", transform=axes.transAxes, ha="right", color=SOFT)
    axes.set_xlabel("predicted", loc="left")
    if k <= MAX_NAMED:
        names = [_short(label) for label in curves.labels]
        axes.set_xticks(range(k), names, rotation=90)
        axes.set_yticks(range(k), names)
    else:
        axes.set(xticks=[], yticks=[])
    axes.tick_params(length=0)
    return figure


def label_counts(curves: RunCurves) -> Figure:
    """Rows by their number of labels, true and predicted."""
    figure, axes = make_axes("labels in a row", "rows")
    sizes = np.arange(len(curves.sizes_true))
    axes.bar(sizes - 0.2, curves.sizes_true, width=0.38, color=SOFT, label="true")
    axes.bar(sizes + 0.2, curves.sizes_predicted, width=0.38, color=ACCENT, label="predicted")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure


def training(curves: RunCurves) -> Figure | None:
    """Loss by epoch, a line per fold."""
    parts = curves.history
    if not parts:
        return None
    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
    figure.subplots_adjust(left=FRAME[0], bottom=FRAME[1], right=0.98, top=0.9, wspace=0.35)
    panels = figure.subplots(1, len(parts), squeeze=False)[0]
    for axes, (part, folds) in zip(panels, parts.items(), strict=True):
        for number, fold in enumerate(folds):
            for rows, colour, label in (
                ("train", SOFT, "training rows"),
                ("validation", ACCENT, "rows set aside"),
            ):
                losses = fold.get(rows, np.empty(0))
                epochs = np.arange(1, len(losses) + 1)
                named = label if not number and len(losses) else ""
                axes.plot(epochs, losses, color=colour, linewidth=1, label=named)
        axes.set_xlabel("epoch")
        axes.set_title(f"loss of {part}", loc="left", fontsize=10, color=SOFT)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.axes[-1].legend()
    return figure


PLOTS: dict[str, Plot] = {
    "precision-recall": Plot(
        "Precision and recall",
        "A panel per class, recall to the right and precision upwards, both from 0 to 1;"
        " the number is the average precision.",
        precision_recall,
    ),
    "f1-threshold": Plot(
        "F1 against the threshold",
        "A panel per class, both axes from 0 to 1. The upright line and the number are the"
        " threshold; the best one lies in the shaded band in 90 % of resamples of the rows.",
        f1_over_threshold,
    ),
    "reliability": Plot(
        "Reliability",
        "Of the cells that were given a probability, the share that is positive, with 95 %"
        " intervals; on the dashed line probabilities equal observed frequencies.",
        reliability,
    ),
    "support-f1": Plot(
        "Support against F1",
        "A dot per class; F1 is nested where thresholds were tuned.",
        support_f1,
    ),
    "nested-tuned": Plot(
        "Nested against tuned",
        "A dot per class. How far it lies below the dashed line is how much better thresholds"
        " look on the rows they were tuned on than on held-out folds.",
        nested_tuned,
    ),
    "together": Plot(
        "Co-occurrence of labels",
        "The darker, the more of the rows with either label have both: true above the diagonal,"
        " predicted below. A sound prediction is symmetric.",
        together,
    ),
    "label-counts": Plot(
        "Number of labels", "Rows by how many labels they have, and were given.", label_counts
    ),
    "training": Plot(
        "Training",
        "The loss of every epoch, one line per fold; the epoch of the lowest loss on the rows"
        " set aside is kept.",
        training,
    ),
}


def make_axes(x: str, y: str) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, and what they show."""
    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
    axes = figure.add_axes(FRAME)
    axes.set_xlabel(x)
    axes.set_title(y, loc="left", fontsize=10, color=SOFT)
    axes.grid(color=LINE, linewidth=0.6)
    axes.tick_params(length=0)
    return figure, axes


def _panels(captions: Sequence[tuple[str, str]]) -> tuple[Figure, Axes, Float64Array]:
    """A grid of panels from (0, 0) to (1, 1) with their captions, and each one's corner, (n, 2).

    All are in one set of axes: 80 sets would take seconds to draw and megabytes to write.
    """
    n_rows = -(-len(captions) // COLUMNS)
    pitch = np.array([1.16, 1 + ROOM / PANEL])
    height = n_rows * (PANEL + ROOM) + MARGIN
    figure = Figure(figsize=(WIDTH / 72, height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(
        xlim=(-0.12, COLUMNS * pitch[0] - 0.12),
        ylim=(-(n_rows - 1) * pitch[1] - MARGIN / PANEL, pitch[1]),
    )
    places = np.arange(len(captions))
    corners = np.column_stack([places % COLUMNS, -(places // COLUMNS)]) * pitch
    frame = np.array([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    middle = np.array([[0.0, 0.5], [1.0, 0.5]])
    for shape, colour in ((frame, SOFT), (middle, LINE)):
        lines = [corner + shape for corner in corners]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.6))
    for (x, y), (label, number) in zip(corners, captions, strict=True):
        axes.text(x, y + 1.1, _short(label, SHORTER), fontsize=10)
        axes.text(x + 1, y + 1.1, number, fontsize=10, ha="right", color=SOFT)
    return figure, axes, corners


def _box(left: float, right: float) -> Float64Array:
    right = min(max(right, left + 0.01), 1.0)
    return np.array([[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]])


def _over_support(axes: Axes, classes: Sequence[ClassCurve], values: Sequence[float]) -> None:
    """A dot per class, named where there is room; with many classes only the lowest are named."""
    support = [curve.support for curve in classes]
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.plot(support, values, "o", color=ACCENT, markersize=5, alpha=0.8)
    lowest = list(np.argsort(values))
    at_zero = sum(value == 0 for value in values)
    if at_zero > MAX_AT_ZERO:
        lowest = [j for j in lowest if values[j] != 0]
        told = f"{axes.get_title('left')}; {at_zero} classes at 0"
        axes.set_title(told, loc="left", fontsize=10, color=SOFT)
    axes.autoscale_view()
    places = axes.transData.transform(np.column_stack([support, values])) * 72 / axes.figure.dpi
    taken: list[tuple[float, float, float]] = []  # left, right and height of each name, in points
    for j in lowest[: MAX_NAMED if len(classes) <= MAX_NAMED else MAX_NAMED // 2]:
        name, (x, y) = _short(classes[j].label), places[j]
        end = x + LETTER * len(name)
        if any(x < right and left < end and abs(y - at) < LINE_HEIGHT for left, right, at in taken):
            continue
        taken.append((x, end, y))
        axes.annotate(name, (support[j], values[j]), **NAME)


def _short(label: str, length: int = SHORT) -> str:
    """A label as one short line, without control characters, which XML does not allow."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in label).split())
    return plain if len(plain) <= length else plain[: length - 1] + "…"
