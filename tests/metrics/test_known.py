"""What is unknown counts nowhere: every metric equals that of the known labels alone."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfeat.core.plugins import resolve
from mmfeat.metrics import METRICS, n_empty_rows, per_class, summarise, without_positives
from mmfeat.metrics.known import judged_rows, known_cells, known_only, note_unknown, positives
from mmfeat.types import UNKNOWN, FloatArray, Targets

# means over rows, of which each is judged by its known labels
OF_ROWS = {name for name in METRICS if name.startswith("samples") or name.endswith("per_row")}
OF_ROWS |= {"subset_accuracy", "jaccard", "lrap", "coverage", "ranking_loss"}
ANY_ROW = {"subset_accuracy", "labels_per_row", "predicted_per_row"}  # of which some is known
OF_CLASSES = set(METRICS) - OF_ROWS - {"micro_f1", "micro_precision", "micro_recall"}
OF_CLASSES -= {"weighted_f1", "weighted_precision", "weighted_recall", "brier", "hamming_loss"}


@st.composite
def scenes(draw: st.DrawFn) -> tuple[FloatArray, Targets, Targets]:
    """Scores with ties, sets, and targets of which any part is unknown, but not all."""
    n, k = draw(st.integers(1, 7)), draw(st.integers(1, 4))
    cells = st.tuples(st.integers(0, 5), st.sampled_from([0, 1, UNKNOWN]))
    drawn = np.array(draw(st.lists(cells, min_size=n * k, max_size=n * k)))
    targets = drawn[:, 1].reshape(n, k).astype(np.uint8)
    targets[0, 0] = draw(st.sampled_from([0, 1]))
    scores = (drawn[:, 0].reshape(n, k) / 5).astype(np.float32)
    return scores, (scores >= 0.5).astype(np.uint8), targets


def value(name: str, p: FloatArray, predicted: Targets, targets: Targets) -> float | None:
    return summarise(p, predicted, targets, names=(name,))[name]


@settings(max_examples=60, deadline=None)
@given(scene=scenes())
@pytest.mark.parametrize("name", sorted(OF_CLASSES))
def test_a_mean_over_classes_is_that_of_each_class_in_its_known_rows(
    name: str, scene: tuple[FloatArray, Targets, Targets]
) -> None:
    p, predicted, targets = scene
    values = []
    for j in range(targets.shape[1]):
        rows = targets[:, j] != UNKNOWN
        alone = p[rows][:, [j]], predicted[rows][:, [j]], targets[rows][:, [j]]
        values += [value(name, *alone)] if rows.any() else []
    found = [one for one in values if one is not None]
    assert value(name, *scene) == pytest.approx(np.mean(found) if found else None)


@settings(max_examples=60, deadline=None)
@given(scene=scenes())
@pytest.mark.parametrize("name", sorted(OF_ROWS))
def test_a_mean_over_rows_is_that_of_each_row_by_its_known_labels(
    name: str, scene: tuple[FloatArray, Targets, Targets]
) -> None:
    p, predicted, targets = scene
    values = []
    for row in range(len(targets)):
        known = targets[row] != UNKNOWN
        if name not in ANY_ROW and not (known.all() or (targets[row] == 1).any()):
            continue  # it cannot be judged
        alone = p[[row]][:, known], predicted[[row]][:, known], targets[[row]][:, known]
        values += [value(name, *alone)] if known.any() else []
    assert value(name, *scene) == pytest.approx(np.mean(values) if values else None)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(scene=scenes())
@pytest.mark.parametrize("name", ["micro_f1", "micro_precision", "brier", "hamming_loss"])
def test_pooled_metrics_pool_the_known_cells(
    name: str, scene: tuple[FloatArray, Targets, Targets]
) -> None:
    known = scene[2] != UNKNOWN
    pooled = tuple(array[known].reshape(-1, 1) for array in scene)
    assert value(name, *scene) == pytest.approx(value(name, *pooled))


def test_every_metric_takes_unknown_targets_and_equals_itself_where_there_are_none() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((30, 4)).astype(np.float32)
    targets = rng.integers(0, 2, (30, 4)).astype(np.uint8)
    holes = np.vstack([targets, np.full((5, 4), UNKNOWN, np.uint8)])
    more = np.vstack([p, rng.random((5, 4)).astype(np.float32)])
    plain = summarise(p, (p >= 0.5).view(np.uint8), targets, names=tuple(METRICS))
    found = summarise(more, (more >= 0.5).view(np.uint8), holes, names=tuple(METRICS))
    assert found == plain
    assert all(inspect.isfunction(resolve(name, METRICS, "metric")) for name in METRICS)


def test_classes_tell_of_how_many_rows_they_are_known() -> None:
    targets = np.array([[1, UNKNOWN, 0], [0, UNKNOWN, UNKNOWN], [1, UNKNOWN, 1]], np.uint8)
    p = np.full((3, 3), 0.7, np.float32)
    rows = per_class(p, (p >= 0.5).view(np.uint8), targets, ("a", "b", "c"))
    assert [(row["known"], row["support"]) for row in rows] == [(3, 2), (0, 0), (2, 1)]
    assert rows[1]["ap"] is rows[1]["f1"] is rows[1]["calibration_error"] is None
    assert "known" not in per_class(p, positives(targets), positives(targets), ("a", "b", "c"))[0]
    assert without_positives(targets, ("a", "b", "c")) == ["b"]
    assert note_unknown(targets) == ["44.4 % of the labels are unknown and count nowhere"]
    assert note_unknown(positives(targets)) == []


def test_a_row_that_may_have_an_unknown_label_is_not_an_empty_one() -> None:
    targets = np.array([[0, UNKNOWN], [UNKNOWN, UNKNOWN], [1, UNKNOWN], [0, 0]], np.uint8)
    assert n_empty_rows(targets) == 1
    rows = judged_rows(targets)
    assert rows is not None and rows.tolist() == [2, 3]


def test_nothing_is_copied_where_all_is_known() -> None:
    targets = np.array([[0, 1]], np.uint8)
    assert known_cells(targets) is None and positives(targets) is targets
    assert known_only(targets, targets)[0] is targets
