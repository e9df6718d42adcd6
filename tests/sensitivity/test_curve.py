"""The curve falls where rows have relatives that cosines cannot tell, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmfeat.sensitivity.curve import Curve, sensitivity_of
from mmfeat.types import Features
from tests.support.made_up.relatives import with_relatives, without_relatives


def measured(features: Features) -> Curve:
    assert features.targets is not None
    curve = sensitivity_of(features, features.targets)
    assert curve is not None
    return curve


@pytest.mark.parametrize("seed", (0, 2, 3, 4, 5, 6, 7))  # 1 depends on the processor
def test_it_falls_where_rows_have_relatives(seed: int) -> None:
    curve = measured(with_relatives(seed=seed))
    fallen = curve.fallen
    assert fallen is not None and fallen.value < curve.interval[0] < curve.points[0].value
    assert curve.verdict.startswith("estimates depend on near neighbours: macro-F1 of ridge")
    assert "--group-col" in curve.verdict


@pytest.mark.parametrize("seed", range(3))
def test_it_does_not_fall_by_chance(seed: int) -> None:
    curve = measured(without_relatives(seed=seed))
    assert curve.fallen is None and len(curve.points) > 1
    assert curve.verdict == "estimates do not depend on near neighbours by more than chance"
    related = with_relatives(seed=seed)
    assert related.targets is not None
    mixed = np.random.default_rng(seed).permutation(related.targets)
    assert measured(replace(related, targets=mixed)).fallen is None


def test_groups_that_are_known_are_kept_together() -> None:
    features = with_relatives()
    group = np.unique(np.asarray(features.targets), axis=0, return_inverse=True)[1]
    assert measured(replace(features, groups=group)).points[0].value < (
        measured(features).points[0].value
    )


def test_rows_that_failed_and_unknown_labels_are_left_out() -> None:
    features = with_relatives()
    (images,) = features.embeddings["image"]
    images[7] = np.nan
    targets = np.array(features.targets)
    targets[::3, 2] = 255
    targets[5] = 255
    curve = measured(replace(features, targets=targets))
    assert all(np.isfinite([point.value, point.error]).all() for point in curve.points)


def test_too_little_gives_no_curve() -> None:
    features = without_relatives(n_rows=150)
    assert features.targets is not None
    assert sensitivity_of(features, features.targets) is None
    many = without_relatives()
    assert sensitivity_of(many, np.zeros((450, 8), np.uint8)) is None


def test_of_many_rows_some_are_looked_at() -> None:
    curve = measured(without_relatives(n_rows=5200))
    assert (curve.n_rows, curve.n_used) == (5200, 5000)
    assert curve.verdict.endswith("(on 5000 of 5200 rows)")
    assert Curve.from_json(curve.to_json()) == curve
