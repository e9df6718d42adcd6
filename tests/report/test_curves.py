from __future__ import annotations

import numpy as np
import pytest

from mmfeat.compare.board.leaderboard import make_leaderboard
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.metrics.probability import class_calibration_error
from mmfeat.metrics.sets import class_scores
from mmfeat.report.curves import GRID, MAX_CLASSES, N_POINTS, read_curves, shown_classes
from mmfeat.report.facts import EntryFacts, RunFacts
from mmfeat.runs.run import Run


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return make_run(workspace, "made", n_rows=400)


def test_f1_and_precision_are_those_of_the_rows(run: Run) -> None:
    scores, curves = run.oof, read_curves(run)
    for j, curve in enumerate(curves.classes):
        p, y = scores.probabilities[:, [j]], scores.targets[:, [j]]
        expected = [class_scores((p >= t).astype(np.uint8), y).f1[0] for t in GRID]
        np.testing.assert_allclose(curve.f1, expected)
        assert len(curve.recall) <= N_POINTS and curve.recall[-1] == 1
        assert (np.diff(curve.recall) > 0).all()
        for recall, precision in zip(curve.recall, curve.precision, strict=True):
            outcomes = [class_scores((p >= t).astype(np.uint8), y) for t in np.unique(p)]
            assert any(
                np.isclose(o.recall[0], recall) and np.isclose(o.precision[0], precision)
                for o in outcomes
            )


def test_the_cut_its_band_and_its_f1_are_those_of_the_thresholds(run: Run) -> None:
    for curve, row in zip(read_curves(run).classes, run.decision.per_class, strict=True):
        assert curve.label == row["label"] and curve.threshold == row["threshold"]
        assert curve.f1_tuned == row["f1_tuned"] and curve.f1_nested == row["f1_nested"]
        assert curve.f1_there == pytest.approx(row["f1_tuned"])
        assert curve.band[1] - curve.band[0] == pytest.approx(row["spread"])


def test_bins_hold_every_cell_and_give_the_calibration_error(workspace: Workspace) -> None:
    run = make_run(workspace, "one", labels=("a",), n_rows=400)
    scores, bins = run.oof, read_curves(run).bins
    mean, share, count = bins.T
    assert count.sum() == 400
    error = (np.abs(mean - share) * count).sum() / 400
    assert error == pytest.approx(class_calibration_error(scores.probabilities, scores.targets)[0])


def test_pairs_and_sizes_are_counted(run: Run) -> None:
    scores, curves = run.oof, read_curves(run)
    y = scores.targets.astype(bool)
    assert curves.together_true[0, 1] == (y[:, 0] & y[:, 1]).sum() / (y[:, 0] | y[:, 1]).sum()
    predicted = run.decision.decide(scores.probabilities)
    for sizes, sets in ((curves.sizes_true, y), (curves.sizes_predicted, predicted)):
        assert sizes.sum() == 400
        assert sizes @ np.arange(len(sizes)) == sets.sum()
    assert (curves.together_predicted == curves.together_predicted.T).all()


def test_a_class_without_positives_has_no_curve(workspace: Workspace) -> None:
    run = make_run(workspace, "few", labels=("a", "b"), rates=(0.5, 0.0), objective=None)
    curves = read_curves(run)
    assert curves.labels == ("a", "b")
    assert [curve.label for curve in curves.classes] == ["a"]
    assert (curves.classes[0].threshold, curves.classes[0].f1_nested) == (0.5, None)


def test_of_many_classes_the_commonest_are_shown(workspace: Workspace) -> None:
    labels = tuple(f"l{j}" for j in range(MAX_CLASSES + 20))
    run = make_run(workspace, "many", labels=labels, n_rows=200)
    support, curves = run.oof.targets.sum(axis=0), read_curves(run)
    assert len(curves.labels) == MAX_CLASSES == len(curves.together_true)
    left_out = [j for j, label in enumerate(labels) if label not in curves.labels]
    assert max(support[left_out]) <= min(curve.support for curve in curves.classes)
    for curve in curves.classes:
        j = labels.index(curve.label)
        assert curve.support == support[j] and curve.threshold == run.decision.thresholds[j]
    assert curves.bins[:, 2].sum() == 200 * len(labels)  # the bins hold every cell
    board = make_leaderboard([run], objective="macro-f1")
    entry = EntryFacts(rank=1, entry=board.entries[0], runs=(RunFacts.read(run),), drawings=())
    assert entry.runs[0].shown == tuple(map(labels.index, curves.labels))
    assert shown_classes([3, 1, 2]) == (0, 1, 2)
