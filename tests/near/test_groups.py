"""What near-copies relate, and where they relate nothing."""

from __future__ import annotations

import numpy as np

from mmfeat.near.groups import Linked, link_groups
from mmfeat.near.links import Links, find_links
from mmfeat.near.search import Pairs
from tests.support.made_up.near import features_of, nearly, vectors


def linked(groups: np.ndarray | None = None, /, **embeddings: np.ndarray) -> Linked:
    features = features_of(**embeddings)
    return link_groups(groups, find_links(features), features.ids)


def test_near_copies_join_groups() -> None:
    rows = np.concatenate([vectors(200), nearly(vectors(200)[:2])])
    found = linked(image=rows)
    assert found.groups is not None and len(np.unique(found.groups)) == 200
    assert found.groups[[0, 1, 200, 201]].tolist() == [0, 1, 0, 1]
    (note,) = found.notes
    assert note.startswith("4 of 202 rows have a near-copy and stay in its fold: 4 by image")
    given = np.arange(202)
    given[5] = 1
    joined = linked(given, image=rows).groups
    assert joined is not None and joined[[1, 5, 201]].tolist() == [1, 1, 1]


def test_unrelated_rows_stay_on_their_own() -> None:
    assert linked(image=vectors(300), text=vectors(300, seed=4)) == Linked(groups=None, notes=())


def test_modalities_link_together() -> None:
    images, texts = vectors(200), vectors(200, seed=4)
    images[10], texts[20] = images[11], texts[10]
    found = linked(image=images, text=texts)
    assert found.groups is not None and found.groups[[10, 11, 20]].tolist() == [10, 10, 10]
    assert "3 of 200 rows" in found.notes[0]


def test_a_shared_caption_relates_nothing() -> None:
    texts = vectors(500)
    texts[:60] = texts[0]
    found = linked(image=vectors(500, seed=4), text=texts)
    assert found.groups is None
    assert found.notes == (
        "60 of 500 rows have the text of 0.jpg: a text that so many share relates no rows",
    )


def chain(*, cosines: list[float]) -> dict[str, Links]:
    pairs = np.array([[at, at + 1] for at in range(len(cosines))])
    return {"text": Links(bound=0.9, pairs=Pairs(pairs, np.array(cosines, np.float32)))}


def test_links_that_chain_everything_are_dropped() -> None:
    ids = [f"{row}.jpg" for row in range(20)]
    near = link_groups(None, chain(cosines=[0.95] * 10), ids)
    assert near.groups is None and "no rows are kept together by text" in near.notes[0]
    some = link_groups(None, chain(cosines=[1.0, 1.0, *[0.95] * 10]), ids)
    assert some.groups is not None and np.unique(some.groups).size == 18
    assert "only rows with an equal one" in some.notes[1]
    assert link_groups(np.zeros(20, np.int64), chain(cosines=[0.95] * 10), ids).groups is not None
