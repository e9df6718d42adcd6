"""Every metric against an independent reference: scikit-learn, or a loop over the definition."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmfeat import metrics
from mmfeat.errors import PluginError
from mmfeat.metrics import METRICS, per_class, probability, ranking, sets, summarise
from mmfeat.types import FloatArray, Targets


def scene(seed: int = 0, n: int = 60, k: int = 5) -> tuple[FloatArray, Targets, Targets]:
    """Probabilities with ties, the sets above 0.5, and the truth; every class has positives."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, k)) < 0.35).astype(np.uint8)
    targets[:2] = [[1] * k, [0] * k]
    noisy = 0.5 * targets + 0.6 * rng.random((n, k))
    probabilities = np.round(np.clip(noisy, 0, 1), 1).astype(np.float32)
    return probabilities, (probabilities >= 0.5).astype(np.uint8), targets


P, PREDICTED, TARGETS = scene()

F1 = {"zero_division": 0}
EXPECTED = {
    "macro_f1": reference.f1_score(TARGETS, PREDICTED, average="macro", **F1),
    "micro_f1": reference.f1_score(TARGETS, PREDICTED, average="micro", **F1),
    "samples_f1": reference.f1_score(TARGETS, PREDICTED, average="samples", **F1),
    "weighted_f1": reference.f1_score(TARGETS, PREDICTED, average="weighted", **F1),
    "weighted_precision": reference.precision_score(TARGETS, PREDICTED, average="weighted", **F1),
    "weighted_recall": reference.recall_score(TARGETS, PREDICTED, average="weighted", **F1),
    "macro_precision": reference.precision_score(TARGETS, PREDICTED, average="macro", **F1),
    "macro_recall": reference.recall_score(TARGETS, PREDICTED, average="macro", **F1),
    "micro_precision": reference.precision_score(TARGETS, PREDICTED, average="micro", **F1),
    "micro_recall": reference.recall_score(TARGETS, PREDICTED, average="micro", **F1),
    "samples_precision": reference.precision_score(TARGETS, PREDICTED, average="samples", **F1),
    "samples_recall": reference.recall_score(TARGETS, PREDICTED, average="samples", **F1),
    "jaccard": reference.jaccard_score(TARGETS, PREDICTED, average="samples", **F1),
    "subset_accuracy": reference.accuracy_score(TARGETS, PREDICTED),
    "hamming_loss": reference.hamming_loss(TARGETS, PREDICTED),
    "labels_per_row": TARGETS.sum() / 60,
    "predicted_per_row": PREDICTED.sum() / 60,
    "map": reference.average_precision_score(TARGETS, P, average="macro"),
    "brier": np.mean(
        [reference.brier_score_loss(TARGETS[:, j], P[:, j].astype(float)) for j in range(5)]
    ),
    "log_loss": np.mean(
        [
            reference.log_loss(TARGETS[:, j], np.clip(P[:, j].astype(float), 1e-7, 1 - 1e-7))
            for j in range(5)
        ]
    ),
}


def by_rows(name: str) -> float:
    """lrap, coverage and ranking loss by their definitions, row by row."""
    values = []
    for p, y in zip(P, TARGETS, strict=True):
        true, false = np.flatnonzero(y), np.flatnonzero(1 - y)
        ranks = {j: int((p >= p[j]).sum()) for j in range(len(p))}
        if name == "lrap":
            shares = [sum(p[i] >= p[j] for i in true) / ranks[int(j)] for j in true]
            values.append(np.mean(shares) if len(true) and len(false) else 1.0)
        elif name == "coverage":
            values.append(max((ranks[int(j)] for j in true), default=0))
        else:
            pairs = [p[i] <= p[j] for i in true for j in false]
            values.append(np.mean(pairs) if pairs else 0.0)
    return float(np.mean(values))


def calibration_by_bins() -> float:
    errors = []
    for p, y in zip(P.T.astype(float), TARGETS.T, strict=True):
        total = 0.0
        for b in range(15):
            inside = (p >= b / 15) & ((p < (b + 1) / 15) | ((b == 14) & (p == 1)))
            if inside.any():
                total += inside.mean() * abs(p[inside].mean() - y[inside].mean())
        errors.append(total)
    return float(np.mean(errors))


@pytest.mark.parametrize("name", METRICS)
def test_metric_equals_its_reference(name: str) -> None:
    if name in ("lrap", "coverage", "ranking_loss"):
        expected = by_rows(name)
    elif name == "calibration_error":
        expected = calibration_by_bins()
    else:
        expected = EXPECTED[name]
    assert summarise(P, PREDICTED, TARGETS, names=[name])[name] == pytest.approx(expected)


def test_summary_has_the_headline_and_needs_no_probabilities() -> None:
    assert list(summarise(P, PREDICTED, TARGETS)) == ["macro_f1", "micro_f1", "samples_f1", "map"]
    without = summarise(None, PREDICTED, TARGETS, names=tuple(METRICS))
    assert without["map"] is None and without["lrap"] is None
    assert without["jaccard"] == pytest.approx(EXPECTED["jaccard"])
    with pytest.raises(PluginError, match="macro_f1"):
        summarise(P, PREDICTED, TARGETS, names=["f1"])


def test_classes_without_positives_are_null_and_left_out() -> None:
    targets = TARGETS.copy()
    targets[:, 2] = 0
    kept = [0, 1, 3, 4]
    found = summarise(P, PREDICTED, targets, names=("macro_f1", "macro_precision", "map"))
    rest = summarise(
        P[:, kept],
        PREDICTED[:, kept],
        targets[:, kept],
        names=("macro_f1", "macro_precision", "map"),
    )
    assert found == pytest.approx(rest)
    row = per_class(P, PREDICTED, targets, list("abcde"))[2]
    assert row == {
        "label": "c",
        "support": 0,
        "f1": None,
        "precision": None,
        "recall": None,
        "ap": None,
        "calibration_error": pytest.approx(probability.class_calibration_error(P, targets)[2]),
    }
    assert metrics.without_positives(targets, list("abcde")) == ["c"]
    empty = np.zeros_like(targets)
    nothing = summarise(P, PREDICTED, empty, names=("macro_f1", "weighted_f1", "map", "micro_f1"))
    assert nothing == {"macro_f1": None, "weighted_f1": None, "map": None, "micro_f1": 0.0}


def test_per_class_equals_scikit_learn() -> None:
    precision, recall, f1, support = reference.precision_recall_fscore_support(TARGETS, PREDICTED)
    rows = per_class(P, PREDICTED, TARGETS, list("abcde"))
    assert [row["support"] for row in rows] == support.tolist()
    for j, row in enumerate(rows):
        assert (row["precision"], row["recall"], row["f1"]) == pytest.approx(
            (precision[j], recall[j], f1[j])
        )
        ap = reference.average_precision_score(TARGETS[:, j], P[:, j])
        assert row["ap"] == pytest.approx(ap)
    assert per_class(None, PREDICTED, TARGETS, list("abcde"))[0]["ap"] is None
    intervals = np.array([[0.25, 0.75], *[[np.nan, np.nan]] * 4])
    ranged = per_class(P, PREDICTED, TARGETS, list("abcde"), ap_intervals=intervals)
    assert [row["ap_interval"] for row in ranged] == [[0.25, 0.75], *[None] * 4]
    blind = per_class(None, PREDICTED, TARGETS, list("abcde"))
    assert "ap_interval" not in blind[0] and blind[0]["calibration_error"] is None


def test_zero_division_is_one_option() -> None:
    nothing = np.zeros((2, 2), dtype=np.uint8)
    truth = np.array([[1, 0], [0, 0]], dtype=np.uint8)
    assert sets.samples_f1(nothing, truth) == 0
    assert sets.samples_f1(nothing, truth, zero_division=1) == 0.5
    assert sets.macro_precision(nothing, truth) == 0
    assert sets.macro_precision(nothing, truth, zero_division=1) == 1
    found = summarise(None, nothing, truth, names=["jaccard"], zero_division=1)
    assert found["jaccard"] == 0.5


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_ap_and_f1_agree_with_scikit_learn_on_anything(data: st.DataObject) -> None:
    shape = (data.draw(st.integers(2, 12)), data.draw(st.integers(2, 4)))
    targets = data.draw(arrays(np.uint8, shape, elements=st.integers(0, 1)))
    tenths = data.draw(arrays(np.uint8, shape, elements=st.integers(0, 10)))
    p = (tenths / 10).astype(np.float32)
    predicted = (p >= 0.5).astype(np.uint8)
    for j in np.flatnonzero(targets.any(axis=0)):
        expected = reference.average_precision_score(targets[:, j], p[:, j])
        assert ranking.class_ap(p, targets)[j] == pytest.approx(expected)
    expected = reference.f1_score(targets, predicted, average="samples", zero_division=0)
    assert sets.samples_f1(predicted, targets) == pytest.approx(expected)


def test_class_log_loss_of_certain_mistakes_is_finite() -> None:
    p = np.array([[0.0], [1.0]], dtype=np.float32)
    assert np.isfinite(probability.class_log_loss(p, np.array([[1], [0]], dtype=np.uint8))).all()
