"""Late fusions: what each stacker computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmfeat.errors import ConfigError
from mmfeat.fit.fusion import FUSIONS, FeatureFusion, LateFusion
from mmfeat.fit.fusion.matrix import side_by_side
from mmfeat.fit.fusion.scores import float32_logits
from mmfeat.fit.stacking.missing import fill_missing_modality
from mmfeat.fit.stacking.stacker import WAYS, Stacker
from mmfeat.metrics.known import of_known
from mmfeat.metrics.probability import cell_log_loss
from mmfeat.types import UNKNOWN, Features

N_ROWS, N_LABELS = 80, 2


def draw() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Scores of sources of which the text is right more often than the image."""
    rng = np.random.default_rng(0)
    y = (rng.random((N_ROWS, N_LABELS)) < 0.4).astype(np.uint8)
    scores = {}
    for source, noise in (("image", 3.0), ("text", 1.0), ("concat", 1.0)):
        logits = 4.0 * y - 2 + noise * rng.normal(size=y.shape)
        scores[source] = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return scores, y


LATE = {name: spec for name, spec in FUSIONS.items() if isinstance(spec, LateFusion)}


def build(fusion: str, *, decision: str = "full", **settings: str) -> Stacker:
    return Stacker.build(LATE[fusion], settings=settings, seed=0, loss="bce", decision=decision)


def sources_of(fusion: str) -> dict[str, np.ndarray]:
    return {source: draw()[0][source] for source in LATE[fusion].sources}


def test_late_mean_is_the_mean() -> None:
    scores = sources_of("late-mean")
    np.testing.assert_allclose(
        build("late-mean").predict(scores), (scores["image"] + scores["text"]) / 2, rtol=1e-6
    )


def test_late_stack_trusts_the_better_source() -> None:
    scores, y = sources_of("late-stack"), draw()[1]
    stacker = build("late-stack").fit(scores, y)
    weights = stacker.used["full"]._weights  # type: ignore[attr-defined]
    for label in range(N_LABELS):
        assert weights[N_LABELS + label, label] > weights[label, label]


@pytest.mark.parametrize("fusion", ["late-sum", "mixed"])
def test_sums_are_decided_by_an_mlp_of_the_paper(fusion: str) -> None:
    stacker = build(fusion, epochs="20")
    assert stacker.used["full"].preset == "guo-decision"  # type: ignore[attr-defined]
    scores, y = sources_of(fusion), draw()[1]
    answers = stacker.fit(scores, y).predict(scores)
    assert ((answers > 0.5) == y).mean() > 0.75
    # Only the sum of the scores is seen: swapping the sources changes nothing.
    swapped = dict(zip(scores, reversed(scores.values()), strict=True))
    np.testing.assert_allclose(stacker.predict(swapped), answers, atol=2e-2)


@pytest.mark.parametrize("decision", ["own-class", "full", "mean"])
@pytest.mark.parametrize("fusion", LATE)
def test_combiners_are_saved(fusion: str, decision: str, tmp_path: Path) -> None:
    trained = fusion in ("late-sum", "mixed") and decision != "own-class"
    settings = {"epochs": "2"} if trained else {}
    scores, y = sources_of(fusion), draw()[1]
    stacker = build(fusion, decision=decision, **settings).fit(scores, y)
    stacker.save(tmp_path)
    loaded = build(fusion, decision="chosen", **settings).load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(scores), stacker.predict(scores))


def test_a_stacker_of_an_earlier_version_is_its_full_head(tmp_path: Path) -> None:
    scores, y = sources_of("late-stack"), draw()[1]
    stacker = build("late-stack").fit(scores, y)
    stacker.used["full"].save(tmp_path)
    loaded = build("late-stack", decision="chosen").load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(scores), stacker.predict(scores))


def test_the_way_of_least_loss_is_chosen() -> None:
    scores, y = sources_of("late-stack"), draw()[1]
    y[::7] = UNKNOWN
    stacker = build("late-stack", decision="chosen").fit(scores, y)
    costs = stacker.costs(scores, y)
    for way, cost in zip(WAYS, costs, strict=True):
        answers = stacker.choose(np.array([way != other for other in WAYS]) * 1.0).predict(scores)
        assert cost == pytest.approx(cell_log_loss(*of_known(answers, y)).sum())
    assert tuple(WAYS).index(stacker.choose(costs).decision) == costs.argmin()


def test_a_missing_modality_borrows_the_other_ones_scores() -> None:
    image, text = np.ones((3, 4), dtype=np.float16), np.ones((3, 4), dtype=np.float16)
    image[0], text[1] = np.nan, np.nan
    features = Features(
        ids=("a", "b", "c"),
        embeddings={"image": (image,), "text": (text,)},
        targets=None,
        labels=("1",),
    )
    scores = {
        "image": np.array([[0.1], [0.2], [0.3]], dtype=np.float32),
        "text": np.array([[0.7], [0.8], [0.9]], dtype=np.float32),
    }
    lent = fill_missing_modality(scores, features)
    np.testing.assert_allclose(lent["image"].ravel(), [0.7, 0.2, 0.3])
    np.testing.assert_allclose(lent["text"].ravel(), [0.7, 0.2, 0.9])
    np.testing.assert_allclose(scores["image"].ravel(), [0.1, 0.2, 0.3])  # not in place


def test_a_missing_modality_takes_the_mean_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = FeatureFusion(summary="audio", function=side_by_side, modalities=("audio",))
    monkeypatch.setitem(FUSIONS, "audio", audio)
    here, gone = np.ones(2, dtype=np.float16), np.full(2, np.nan, dtype=np.float16)
    embeddings = {
        "image": (np.stack([here, gone, gone, gone]),),
        "text": (np.stack([here, here, gone, gone]),),
        "audio": (np.stack([here, here, here, gone]),),
    }
    features = Features(ids=tuple("abcd"), embeddings=embeddings, targets=None, labels=("1",))
    drawn = np.random.default_rng(0).random((4, 4, 1)).astype(np.float32)
    scores = dict(zip(("image", "text", "audio", "concat"), drawn, strict=True))
    filled = fill_missing_modality(scores, features)
    mean = (scores["text"][1] + scores["audio"][1]) / 2
    np.testing.assert_array_equal(filled["image"][1], mean)
    np.testing.assert_array_equal(filled["image"][2], scores["audio"][2])
    np.testing.assert_array_equal(filled["text"][2], scores["audio"][2])
    for source in scores:  # nothing is known of the last row, and concat is of all modalities
        np.testing.assert_array_equal(filled[source][[0, 3]], scores[source][[0, 3]])
    np.testing.assert_array_equal(filled["concat"], scores["concat"])


def test_a_mean_has_no_meta_learner_to_set() -> None:
    with pytest.raises(ConfigError, match="remove that setting"):
        build("late-mean", epochs="2")
    with pytest.raises(ConfigError, match="remove that setting"):
        build("late-sum", decision="own-class", epochs="2")


def test_logits_of_certain_scores_are_cut() -> None:
    np.testing.assert_allclose(
        float32_logits(np.array([[0.0, 0.5, 1.0]], dtype=np.float32)), [[-15, 0, 15]], atol=1e-6
    )
