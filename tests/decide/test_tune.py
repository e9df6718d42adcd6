from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from mmfeat.decide.decision import Decision
from mmfeat.decide.resampling import interval, resampled_values
from mmfeat.decide.thresholds import OBJECTIVES, Limits, TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds
from mmfeat.decide.tune import tune
from mmfeat.errors import ConfigError, MmfeatError, PluginError, RunError
from mmfeat.metrics import summarise
from mmfeat.types import OutOfFold, Targets

LABELS = ("cat", "dog", "bird", "fish")


def scores(seed: int = 0, n: int = 500, bias: float = 0.0) -> OutOfFold:
    """Learnable scores; `bias` shifts the logits away from calibration."""
    rng = np.random.default_rng(seed)
    rates = np.array([0.6, 0.3, 0.1, 0.05])
    targets = (rng.random((n, 4)) < rates).astype(np.uint8)
    logits = 2.5 * targets - 1.25 + rng.normal(size=(n, 4)) + np.log(rates / (1 - rates)) + bias
    return OutOfFold(
        ids=tuple(map(str, range(n))),
        labels=LABELS,
        probabilities=(1 / (1 + np.exp(-logits))).astype(np.float32),
        targets=targets,
        folds=rng.permutation(n) % 5,
    )


def truth(given: OutOfFold) -> Targets:
    return given.targets


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_document_has_the_contract_and_comes_back(objective: str) -> None:
    decision = tune(scores(), objective=objective)
    document = json.loads(json.dumps(decision.to_json(), allow_nan=False))
    assert {"objective", "method", "thresholds", "decode", "oof", "per_class"} <= set(document)
    assert list(document["thresholds"]) == list(LABELS)
    assert list(document["oof"]) == ["at_0.5", "tuned", "nested"]
    assert {"macro_f1", "micro_f1", "samples_f1", "map"} <= set(document["oof"]["nested"])
    row = document["per_class"][0]
    assert {"label", "support", "threshold", "f1_at_0.5", "f1_tuned", "spread"} <= set(row)
    assert Decision.from_json(document) == decision


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_estimates_are_those_of_the_label_sets(objective: str) -> None:
    given = scores(bias=-1)
    decision = tune(given, objective=objective)
    key = objective.replace("-", "_")
    oof = decision.oof
    tuned = summarise(given.probabilities, decision.decide(given.probabilities), truth(given))
    assert {name: oof["tuned"][name] for name in tuned} == pytest.approx(tuned)
    half = (given.probabilities >= 0.5).astype(np.uint8)
    assert oof["at_0.5"]["macro_f1"] == summarise(None, half, truth(given))["macro_f1"]
    assert (oof["tuned"][key] or 0) >= (oof["at_0.5"][key] or 0)
    assert decision.optimism == pytest.approx((oof["tuned"][key] or 0) - (oof["nested"][key] or 0))


def test_nested_is_decided_by_the_other_folds() -> None:
    given = scores(bias=-1)
    predicted = np.zeros_like(truth(given))
    for fold in range(5):
        inside = given.folds == fold
        rest = TuningData(probabilities=given.probabilities[~inside], targets=truth(given)[~inside])
        chosen = choose_thresholds(rest, objective="macro-f1", method="exact")
        predicted[inside] = given.probabilities[inside] >= chosen
    decision = tune(given, objective="macro-f1", method="exact")
    expected = summarise(None, predicted, truth(given))
    assert decision.oof["nested"]["macro_f1"] == expected["macro_f1"]
    assert decision.optimism is not None and decision.optimism > 0


@pytest.mark.parametrize("objective", ["macro-f1", "micro-f1", "samples-f1"])
def test_tuning_helps_shifted_scores_on_new_rows(objective: str) -> None:
    decision = tune(scores(seed=0, n=1500, bias=-2), objective=objective)
    new = scores(seed=1, n=1500, bias=-2)
    key = objective.replace("-", "_")
    tuned = summarise(None, decision.decide(new.probabilities), truth(new))[key]
    half = summarise(None, (new.probabilities >= 0.5).astype(np.uint8), truth(new))[key]
    assert tuned is not None and half is not None and tuned > half + 0.02
    nested = decision.oof["nested"][key]
    assert nested is not None and abs(nested - tuned) < 0.05
    low, high = decision.intervals["nested"]
    assert low < nested < high and decision.intervals["gain"][0] > 0
    assert any(note.startswith("tuning pays") for note in decision.notes)


def test_default_stays_at_half_where_tuning_loses() -> None:
    given = scores(seed=0, n=200)
    asked = tune(given, objective="micro-f1", method="global")
    assert any("does not pay" in note for note in asked.notes)
    assert asked.thresholds != (0.5,) * 4
    kept = tune(given, objective="micro-f1")
    assert kept.thresholds == (0.5,) * 4 and any("stay at 0.5" in note for note in kept.notes)
    assert kept.oof["nested"] == kept.oof["at_0.5"] == kept.oof["tuned"]


def test_macro_f1_is_tuned_where_the_loss_may_be_chance() -> None:
    given = scores(seed=0, n=120, bias=0.5)
    common = replace(
        given,
        labels=LABELS[:2],
        probabilities=given.probabilities[:, :2],
        targets=given.targets[:, :2],
    )
    decision = tune(common, objective="macro-f1")
    assert any("loss may be chance" in note for note in decision.notes)
    assert decision.intervals["gain"][1] >= 0 and decision.thresholds != (0.5,) * 2


@pytest.mark.parametrize("objective", ["macro-f1", "f-beta"])
def test_macro_f1_stays_at_half_where_held_out_folds_show_a_loss(objective: str) -> None:
    given = scores(n=1000)
    folds = given.folds % 2
    # the heads of the two folds score at different levels: 0.5 lies between them, and thresholds
    # that suit the one are far off for the other
    logits = 4.0 * given.targets - 2 + np.where(folds, -1.5, 1.5)[:, None]
    logits += np.random.default_rng(1).normal(size=logits.shape) / 2
    apart = replace(given, folds=folds, probabilities=1 / (1 + np.exp(-logits)))
    asked = tune(apart, objective=objective, method="bootstrap")
    assert asked.intervals["gain"][1] < 0 and asked.thresholds != (0.5,) * 4
    kept = tune(apart, objective=objective)
    assert kept.thresholds == (0.5,) * 4 and any("stay at 0.5" in note for note in kept.notes)
    assert kept.oof["nested"] == kept.oof["at_0.5"] == kept.oof["tuned"]
    assert kept.intervals["nested"] == kept.intervals["at_0.5"]


def test_default_leaves_half_where_nested_is_above_it_even_by_chance() -> None:
    decisions = [tune(scores(seed=seed, n=120), objective="micro-f1") for seed in (0, 3, 5, 7)]
    by_chance = [
        found for found in decisions if any("probably pays" in note for note in found.notes)
    ]
    assert by_chance
    for found in by_chance:
        assert found.intervals["gain"][0] <= 0 and found.thresholds != (0.5,) * 4


def test_micro_f1_has_a_threshold_per_class_where_one_for_all_is_worse() -> None:
    given = scores(n=1500)
    uneven = given.probabilities ** np.array([1, 2, 4, 0.3], dtype=np.float32)
    decision = tune(replace(given, probabilities=uneven), objective="micro-f1")
    assert decision.method == "dinkelbach"
    assert any("instead of global" in note for note in decision.notes)


def test_samples_f1_decodes_sets_and_falls_back_where_it_must() -> None:
    given = scores(n=1500, bias=-1)
    decision = tune(given, objective="samples-f1")
    assert (decision.method, decision.decode) == ("coordinate", "expected-f1")
    assert decision.reliability["after"]["log_loss"] < decision.reliability["before"]["log_loss"]
    by_cut = decision.decide(given.probabilities, decode="thresholds")
    np.testing.assert_array_equal(by_cut, given.probabilities >= np.array(decision.thresholds))
    # labels that exclude each other are not what the decoding assumes, and scores that
    # calibration cannot mend are not to be trusted: thresholds are used, and it is said
    shuffled = given.probabilities.copy()
    strange = np.where(truth(given) == 1, 0.5 * shuffled, shuffled).astype(np.float32)
    found = tune(
        replace(given, probabilities=strange), objective="samples-f1", decode="expected-f1"
    )
    told = [note for note in found.notes if note.startswith("thresholds are used")]
    assert (found.decode == "thresholds") == bool(told)


def test_calibrated_scores_of_few_rows_are_decoded() -> None:
    decoded = [tune(scores(seed=s, n=300), objective="samples-f1").decode for s in range(4)]
    assert decoded.count("expected-f1") >= 3


def test_notes_name_rare_absent_and_unreachable_classes() -> None:
    given = scores()
    targets = truth(given).copy()
    targets[:, 3] = 0
    targets[8:, 2] = 0
    targets[:4, 2] = 1
    decision = tune(replace(given, targets=targets), objective="macro-f1", method="exact")
    told = " | ".join(decision.notes)
    assert "no positives, excluded from averages: fish" in told
    assert "fewer than 10 positives, sharing a threshold: bird" in told
    rows = {row["label"]: row for row in decision.per_class}
    assert rows["fish"]["f1_tuned"] is None and rows["fish"]["support"] == 0
    assert rows["bird"]["spread"] is None and rows["cat"]["spread"] >= 0
    met = tune(given, objective="recall-at-least", floor=0.95)
    assert met.oof["tuned"]["recall_at_least"] == 1.0
    assert not any("stay at 0.5" in note for note in met.notes)
    floor = tune(given, objective="precision-at-least", floor=1.0)
    assert not any("stay at 0.5" in note for note in floor.notes)
    unmet = [note for note in floor.notes if note.startswith("no threshold reaches 1")]
    reached = {row["label"] for row in floor.per_class}
    assert not unmet or set(unmet[0].split(": ")[1].split(", ")) <= reached


def test_what_large_tables_go_without_is_told() -> None:
    given = scores(n=400)
    assert tune(given, objective="micro-f1").per_class[0]["spread"] is not None
    limits = Limits(refitted_cells=1_599, sampled_cells=800)
    for objective, told in {"micro-f1": "no spread", "samples-f1": "200 of 400 rows"}.items():
        decision = tune(given, objective=objective, limits=limits)
        assert told in " | ".join(decision.notes)
        assert {row["spread"] for row in decision.per_class} == {None}
    decision = tune(given, objective="macro-f1", limits=limits)
    assert decision.per_class[0]["spread"] is not None
    assert not any("spread" in note for note in decision.notes)


def test_the_spread_is_that_of_the_draws_of_the_thresholds() -> None:
    drawn, other = (tune(scores(), objective="macro-f1", method=m) for m in ("bootstrap", "exact"))
    assert [row["spread"] for row in drawn.per_class] == [row["spread"] for row in other.per_class]


def test_targets_without_any_positive_work() -> None:
    given = scores(n=20)
    none = tune(replace(given, targets=np.zeros_like(truth(given))), objective="samples-f1")
    assert none.oof["nested"]["macro_f1"] is None
    json.dumps(none.to_json(), allow_nan=False)


def test_intervals_are_those_of_the_one_resampler() -> None:
    given = scores(n=300)
    decision = tune(given, objective="macro-f1", method="exact", seed=3)
    assert list(decision.intervals) == ["at_0.5", "nested", "gain"]
    data = TuningData(probabilities=given.probabilities, targets=truth(given))
    assert decision.held_out is not None
    sets = {"x": {"y": decision.held_out}}
    values = resampled_values("macro-f1", data, {"y": given.folds}, sets, seed=3)["x"]
    nested = decision.oof["nested"]["macro_f1"]
    assert nested is not None
    assert decision.intervals["nested"] == list(interval(values, nested))


@pytest.mark.parametrize("decode", ["thresholds", "expected-f1"])
def test_slices_are_decided_as_the_whole(decode: str) -> None:
    given = scores(n=100, bias=-1)
    decision = tune(given, objective="samples-f1")
    whole = decision.decide(given.probabilities, decode=decode, empty="top1")
    sliced = decision.decide(given.probabilities, decode=decode, empty="top1", slice_cells=30)
    np.testing.assert_array_equal(sliced, whole)


def test_same_scores_same_decision() -> None:
    assert tune(scores(), objective="macro-f1") == tune(scores(), objective="macro-f1")


def test_related_rows_widen_the_intervals() -> None:
    rows = np.repeat(np.arange(200), 8)
    given = scores(n=200)
    copied = OutOfFold(
        ids=tuple(map(str, range(len(rows)))),
        labels=given.labels,
        probabilities=given.probabilities[rows],
        targets=given.targets[rows],
        folds=given.folds[rows],
    )
    naive = tune(copied, objective="macro-f1", method="fixed")
    grouped = tune(replace(copied, groups=rows), objective="macro-f1", method="fixed")
    assert grouped.oof == naive.oof
    widths = [np.diff(decision.intervals["nested"])[0] for decision in (naive, grouped)]
    assert widths[1] > 1.1 * widths[0]


def test_bad_input_is_told() -> None:
    given = scores(n=30)
    with pytest.raises(PluginError, match="macro-f1"):
        tune(given, objective="f1")
    with pytest.raises(ConfigError, match="bootstrap"):
        tune(given, objective="macro-f1", method="dinkelbach")
    with pytest.raises(ConfigError, match="floor"):
        tune(given, objective="recall-at-least", floor=1.5)
    with pytest.raises(ConfigError, match="beta"):
        tune(given, objective="f-beta", beta=float("nan"))
    with pytest.raises(RunError, match="two folds"):
        tune(replace(given, folds=np.zeros_like(given.folds)), objective="macro-f1")
    broken = given.probabilities.copy()
    broken[3, 1] = np.nan
    with pytest.raises(RunError, match="'3' has nan for 'dog'"):
        tune(replace(given, probabilities=broken), objective="macro-f1")
    with pytest.raises(RunError, match="shape"):
        tune(replace(given, probabilities=given.probabilities[:, :3]), objective="macro-f1")


def test_decide_refuses_what_does_not_fit_and_broken_documents() -> None:
    decision = tune(scores(n=60), objective="macro-f1")
    with pytest.raises(RunError, match="4 labels"):
        decision.decide(np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(MmfeatError, match="thresholds, expected-f1"):
        decision.decide(np.zeros((2, 4), dtype=np.float32), decode="best")
    with pytest.raises(RunError, match="row 1 has none for 'dog'"):
        decision.decide(np.array([[0.1, 0.2, 0, 0], [0, np.nan, 0, 0]], dtype=np.float32))
    document = decision.to_json()
    for key in ("thresholds", "oof", "decode"):
        with pytest.raises(RunError, match="tune-thresholds"):
            Decision.from_json({k: v for k, v in document.items() if k != key})
    filled = decision.decide(np.full((2, 4), 0.0, dtype=np.float32), empty="top1")
    assert filled.sum(axis=1).tolist() == [1, 1]
