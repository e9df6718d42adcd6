"""Near-copies between splits: found, kept, and told by every command that meets both."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mmfeat as verbs
from mmfeat.core.workspace import Workspace
from mmfeat.errors import StoreError
from mmfeat.near.kept import load_links_between
from mmfeat.near.links import find_links_between
from tests.support.made_up.near import features_of, nearly, store_vectors, vectors
from tests.support.workspaces import Mmfeat

N_ROWS, N_COPIES = 150, 12


@pytest.fixture
def two(workspace: Workspace) -> Workspace:
    """The splits one and two: the first rows of two are near-copies of rows of one."""
    rows = vectors(N_ROWS)
    store_vectors(workspace, "one", rows)
    store_vectors(workspace, "two", np.concatenate([nearly(rows[:N_COPIES]), vectors(60, seed=9)]))
    return workspace


def test_equal_and_near_rows_of_another_split() -> None:
    rows = vectors(200)
    own = np.concatenate([rows[[7, 7]], nearly(rows)[[20]], vectors(30, seed=4)])
    own[5] = np.nan
    link = find_links_between(features_of(image=own), features_of(image=rows))["image"]
    best = link.pairs.best_first()
    assert best.rows.tolist() == [[0, 7], [1, 7], [2, 20]]
    assert best.cosines[:2].tolist() == [1, 1] and link.bound is not None
    assert link.bound <= best.cosines[2] < 1


def test_what_cannot_be_compared_is_left_out() -> None:
    own = features_of(image=vectors(30, width=8), text=vectors(30))
    assert list(find_links_between(own, features_of(image=vectors(40), audio=vectors(40)))) == []


def test_they_are_kept(two: Workspace) -> None:
    paths = two.stores("two", ()), two.stores("one", ())
    found = load_links_between(two, *paths)["image"].pairs
    (path,) = two.folds.glob("near-*.json")
    written = path.stat().st_mtime_ns
    again = load_links_between(two, *paths)["image"].pairs
    np.testing.assert_array_equal(found.rows, again.rows)
    assert path.stat().st_mtime_ns == written and len(found) == N_COPIES


def test_the_verb(two: Workspace) -> None:
    found = verbs.duplicates("two", against="one", workspace=two.root)
    assert (found.n_rows, found.n_copied, found.n_pairs) == (72, N_COPIES, N_COPIES)
    assert {(pair.id, pair.other) for pair in found.pairs} == {
        (f"two{row}.jpg", f"one{row}.jpg") for row in range(N_COPIES)
    }
    cosines = found.to_frame().cosine
    assert cosines.is_monotonic_decreasing and len(cosines) == N_COPIES
    within = verbs.duplicates("two", against="two", most=3, workspace=two.root)
    assert within.against is None and within.pairs == () and len(within.to_frame()) == 0
    with pytest.raises(StoreError, match="have none"):
        store_vectors(two, "narrow", vectors(40, width=8))
        verbs.duplicates("narrow", against="one", workspace=two.root)


def test_the_commands_tell(two: Workspace, mmfeat: Mmfeat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(two.root)
    here = ("-w", two.root)
    told = "12 of 72 rows of two have a near-copy in one (12 by image), e.g. two"
    Path("mmfeat.toml").write_text('[submit]\nsplit = "two"\n[fit]\nsplit = "one"\nfolds = 2\n')
    knn = ("--head", "knn", "--fusion", "image", *here)
    for line in (
        ("fit", *knn, "--name", "r"),
        ("compare", "--heads", "knn", "--fusions", "image", *here),
        ("predict", "r", "--out", "p.csv", *here),
        ("tune-thresholds", "r", *here),
        ("submit", "r", *here),
    ):
        result = mmfeat(*line)
        assert result.exit_code == 0, result.stderr
        assert (told in result.stderr) == (line[0] != "tune-thresholds")
    assert "near-copy" not in mmfeat("predict", "r", "--split", "one", *here).stderr
    assert told not in mmfeat("fit", *knn, "--near-copies", "off").stderr


def test_the_command_lists_them(two: Workspace, mmfeat: Mmfeat) -> None:
    listed = mmfeat("duplicates", "two", "--against", "one", "--most", "5", "-w", two.root)
    assert listed.exit_code == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert lines[0].split() == ["cosine", "by", "row", "of", "two", "near-copy", "in", "one"]
    assert lines[6] == "and 7 more pairs; --most lists more"
    assert lines[7] == "12 of 72 rows of two have a near-copy in one"
    assert max(map(len, lines)) <= 80
    document = json.loads(
        mmfeat("duplicates", "two", "--against", "one", "--json", "-w", two.root).stdout
    )
    assert document["n_copied"] == 12 and len(document["pairs"]) == 12
    assert set(document["pairs"][0]) == {"id", "other", "modality", "cosine"}
