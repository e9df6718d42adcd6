"""Options of heads: typed, checked, and every one of them means something."""

import inspect
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from mmfeat.core.plugins import resolve
from mmfeat.errors import ConfigError
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.knn import KNN
from mmfeat.fit.heads.options import option, options_of

# This file does without `from __future__ import annotations`: types of options are objects here.


@dataclass(kw_only=True)
class Votes(KNN):
    """A head as somebody may write it."""

    name: ClassVar[str] = "votes"
    few: int = option(3, "a number", low=1, high=9)
    share: float | None = None
    sizes: tuple[int, ...] = (1,)


def test_texts_become_what_the_annotation_says() -> None:
    head = Votes.from_settings({"few": "5", "share": "0.5", "sizes": "3-4"}, seed=0)
    assert (head.few, head.share, head.sizes) == (5, 0.5, (3, 4))
    assert Votes.from_settings({"share": "none"}, seed=0).share is None
    with pytest.raises(ConfigError, match="few lies between 1 and 9"):
        Votes.from_settings({"few": "12"}, seed=0)


@pytest.mark.parametrize("name", HEADS)
def test_every_option_says_what_it_means(name: str) -> None:
    for known in options_of(resolve(name, HEADS, "head")).values():
        assert known.rule.help, known.name
        if known.default is not None:
            known.rule.check(known.name, known.default)


@pytest.mark.parametrize(
    ("head", "settings", "lost"),
    [
        ("knn", {"rounds": "5"}, "rounds"),
        ("zeroshot", {"rounds": "5"}, "rounds"),
        ("logreg", {"rounds": "5"}, "rounds"),
        ("logreg", {"C": "1", "choose": "per-class"}, "choose"),
        ("mlp", {"rounds": "5", "patience": "3"}, "patience"),
        ("lightgbm", {"rounds": "5", "trees": "3"}, "trees"),
    ],
)
def test_an_option_without_effect_is_refused(
    head: str, settings: dict[str, str], lost: str
) -> None:
    with pytest.raises(ConfigError, match=lost):
        resolve(head, HEADS, "head").from_settings(settings, seed=0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"neighbours": 2.5}, "neighbours is an integer; it is 2.5; give an integer"),
        ({"sharpness": "10"}, "sharpness is a number; it is '10'; give a number"),
        ({"seed": None}, "seed is an integer; it is None; give an integer"),
    ],
)
def test_an_option_of_a_wrong_type_is_refused_before_the_fit(
    options: dict[str, Any], told: str
) -> None:
    x, y = np.eye(4, dtype=np.float32), np.eye(4, 2, dtype=np.uint8)
    with pytest.raises(ConfigError) as caught:
        KNN(**options).fit(x, y)
    assert str(caught.value) == told


def test_a_number_of_numpy_is_a_number() -> None:
    x, y = np.eye(4, dtype=np.float32), np.eye(4, 2, dtype=np.uint8)
    options: dict[str, Any] = {"neighbours": np.int64(2), "prior": np.float32(1)}
    assert KNN(**options).fit(x, y).rates_.tolist() == [0.25, 0.25]


@pytest.mark.parametrize("name", HEADS)
def test_every_option_is_read_somewhere(name: str) -> None:
    head: Any = resolve(name, HEADS, "head")
    sources = "".join(inspect.getsource(sys.modules[base.__module__]) for base in head.__mro__[:-2])
    for key in options_of(head):
        if key != "seed":
            assert f"self.{key}" in sources or f"head.{key}" in sources, key
