"""What the page says about more rows: the learning curve of the best run, where it is kept."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from mmfeat.config import ThresholdSettings
from mmfeat.core.workspace import Workspace
from mmfeat.learning.curve import LearningCurve
from mmfeat.learning.kept import find_learning_curve
from mmfeat.report.facts import Drawing
from mmfeat.report.learning.plot import draw_learning_curve
from mmfeat.report.svg import inline
from mmfeat.runs.run import Run

TITLE = "Learning curve"
ABOUT = (
    "Every point is judged on all held-out rows; bars are 95 % intervals. The line is the power"
    " law, dashed beyond the rows there are, and the band its 95 % interval."
)
MOST_CLASSES = 20  # in the table


@dataclass(frozen=True, kw_only=True)
class MoreRows:
    """The curve and its drawing."""

    curve: LearningCurve
    drawing: Drawing


def find_more_rows(run: Run, workspace: Workspace, aim: ThresholdSettings) -> MoreRows | None:
    """Draw the learning curve of a run; None where `learning-curve` has not measured it."""
    curve = find_learning_curve(workspace, run, aim)
    if curve is None:
        return None
    svg = inline(draw_learning_curve(curve), title=f"{TITLE}: {ABOUT}", name="learning")
    return MoreRows(curve=curve, drawing=Drawing(title=TITLE, about=ABOUT, svg=Markup(svg)))
