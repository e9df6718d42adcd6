"""What `tune` says about a decision beside its numbers."""

from __future__ import annotations

import re

import numpy as np

from mmfeat.decide.notes import WARNING
from mmfeat.decide.thresholds import Limits
from mmfeat.decide.tune import tune
from mmfeat.types import OutOfFold


def rare_scores(*, n_rows: int = 120, n_labels: int = 12, signal: float = 0.5) -> OutOfFold:
    """Few rows and rare classes, whose scores tell next to nothing."""
    rng = np.random.default_rng(0)
    rates = np.append([0.5, 0.4], np.full(n_labels - 2, 0.1))
    targets = (rng.random((n_rows, n_labels)) < rates).astype(np.uint8)
    logits = signal * targets + 0.3 * rng.normal(size=targets.shape) + np.log(rates / (1 - rates))
    return OutOfFold(
        ids=tuple(map(str, range(n_rows))),
        labels=tuple(f"l{j}" for j in range(n_labels)),
        probabilities=(1 / (1 + np.exp(-logits))).astype(np.float32),
        targets=targets,
        folds=np.arange(n_rows) % 5,
    )


def test_more_labels_per_row_and_a_loss_of_other_objectives_are_warned_of() -> None:
    scores = rare_scores(signal=0.0)
    decision = tune(scores, objective="macro-f1", method="exact")
    found = [note for note in decision.notes if note.startswith(WARNING)]
    assert len(found) == 1 and "--objective samples-f1" in found[0]
    (verdict,) = (note for note in decision.notes if "on held-out folds macro-f1 is" in note)
    assert decision.notes.index(found[0]) < decision.notes.index(verdict)
    half, nested = decision.oof["at_0.5"], decision.oof["nested"]
    per_row = re.search(r"labels per row ([\d.]+) -> ([\d.]+) \(true: ([\d.]+)\)", found[0])
    assert per_row is not None
    assert decision.held_out is not None
    assert float(per_row[2]) == round(float(decision.held_out.sum(axis=1).mean()), 1)
    assert float(per_row[3]) == round(float(scores.targets.sum(axis=1).mean()), 1)
    assert float(per_row[2]) > 2 * float(per_row[3])
    assert f"micro-f1 {half['micro_f1']:.4f} -> {nested['micro_f1']:.4f}" in found[0]


def test_side_effects_without_harm_are_no_warning() -> None:
    decision = tune(rare_scores(signal=4.0), objective="micro-f1", method="global")
    told = [note for note in decision.notes if "labels per row" in note]
    assert len(told) == 1 and not told[0].startswith(WARNING)


def test_rows_without_labels_are_told_with_what_they_count() -> None:
    scores = rare_scores()
    scores.targets[:40] = 0
    told = " | ".join(tune(scores, objective="micro-f1").notes)
    n_empty = int((scores.targets.sum(axis=1) == 0).sum())
    assert f"{n_empty} of 120 rows have no labels" in told and "--zero-division 1" in told


def test_long_lists_of_classes_are_cut() -> None:
    scores = rare_scores(n_rows=40, n_labels=30)
    scores.targets[:, 5:] = 0
    notes = tune(scores, objective="macro-f1", method="exact").notes
    assert (
        "no positives, excluded from averages: l5, l6, l7, l8, l9, l10, l11, l12, … and 17 more"
        in (notes)
    )


def test_many_classes_leave_out_what_takes_long_and_say_so() -> None:
    scores, limits = rare_scores(signal=3.0), Limits(many_cells=100, many_classes=10)
    for method in ("exact", "micromacro"):
        usual = tune(scores, objective="macro-f1", method=method)
        many = tune(scores, objective="macro-f1", method=method, limits=limits)
        assert many.thresholds == usual.thresholds and many.oof == usual.oof
    drawn = tune(scores, objective="macro-f1", limits=limits)
    assert any("50 resamples instead of 100" in note for note in drawn.notes)
    usual = tune(scores, objective="micro-f1", method="global")
    many = tune(scores, objective="micro-f1", method="global", limits=limits)
    assert many.thresholds == usual.thresholds and many.oof == usual.oof
    assert usual.calibration and not many.calibration and not many.reliability
    assert {row["spread"] for row in many.per_class} == {None}
    told = " | ".join(many.notes)
    assert "no spread of thresholds" in told and "only samples-f1 calibrates" in told
    decoded = tune(scores, objective="samples-f1", limits=limits)
    assert any("Platt's map alone" in note for note in decoded.notes)
    assert {f.kind for f in decoded.calibration} <= {"platt", "identity"}
