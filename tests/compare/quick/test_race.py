"""A race: cells that stay far behind the first three are left out, and every head is tried."""

from __future__ import annotations

import pytest

from mmfeat.compare.quick.race import Race
from mmfeat.runs.config import RunConfig
from tests.support.cells import cells_of

HEADS = {"ridge": 0.85, "knn": 0.7, "logreg": 0.8, "mlp": 0.83, "gmlp": 0.81}
FUSIONS = {"text": -0.2, "image": -0.05, "concat": 0.0}
WIDE, NARROW = 0.1, 0.02  # from a score to the low end of its interval


def run(race: Race, *, reach: float, gifted: str = "") -> list[tuple[str, str]]:
    """Run all cells; for the head `gifted` the text is the best."""
    done = []
    while (cell := race.take()) is not None:
        score = HEADS[cell.head] + FUSIONS[cell.fusion]
        if cell.head == gifted and cell.fusion == "text":
            score = 0.9
        race.learn(cell, seconds=1.0, score=score, low=score - reach)
        done.append((cell.head, cell.fusion))
    return done


@pytest.fixture
def cells() -> list[RunConfig]:
    return [cell for head in HEADS for cell in cells_of(head, fusions=tuple(FUSIONS))]


def test_the_first_three_stay_and_every_head_runs(cells: list[RunConfig]) -> None:
    race = Race(cells)
    done = run(race, reach=NARROW)
    assert {("ridge", "concat"), ("mlp", "concat"), ("gmlp", "concat")} <= set(done)
    assert {head for head, _ in done} == set(HEADS)
    assert ("gmlp", "text") in {(cell.head, cell.fusion) for cell in race.lost}
    assert len(done) + len(race.lost) == len(cells) and not race.waiting


def test_wide_intervals_leave_out_less(cells: list[RunConfig]) -> None:
    narrow, wide = Race(cells), Race(cells)
    run(narrow, reach=NARROW)
    run(wide, reach=WIDE)
    assert {cell.name("") for cell in wide.lost} < {cell.name("") for cell in narrow.lost}


def test_nothing_is_lost_without_scores_to_go_by(cells: list[RunConfig]) -> None:
    race = Race([cell for cell in cells if cell.fusion == "concat"])
    assert len(run(race, reach=NARROW)) == len(HEADS) and not race.lost


def test_a_hopeful_head_keeps_its_features_in_the_race(cells: list[RunConfig]) -> None:
    race = Race(cells)
    done = run(race, reach=NARROW, gifted="ridge")
    assert ("mlp", "text") in done
