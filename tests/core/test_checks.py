from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import pytest

from mmfeat.core.checks import check_arguments, check_choice, check_range, check_type
from mmfeat.errors import ConfigError


def test_a_choice_is_one_of_the_valid_ones() -> None:
    check_choice("--format", "labels", {"labels": 1, "multihot": 2})
    with pytest.raises(ConfigError) as caught:
        check_choice("--format", "label", ("labels", "multihot"))
    assert str(caught.value) == (
        "--format is one of labels, multihot; 'label' is not; did you mean 'labels'?"
        " Else choose one of them"
    )


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_a_range_includes_its_ends(value: float) -> None:
    check_range("ema", value, 0, 1)


@pytest.mark.parametrize("value", [-1e-9, 1.1, float("nan"), float("inf")])
def test_a_value_outside_the_range_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match=f"ema lies between 0 and 1; it is {value}"):
        check_range("ema", value, 0, 1)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (3, int),
        (np.int64(3), int),
        (3, float),
        (np.float32(0.5), float),
        (None, int | None),
        ((1, 2), tuple[int, ...]),
        (["a"], Sequence[str]),
        (("a",), Sequence[str]),
        ({"a": 1}, Mapping[str, Any]),
        (Path("a"), Path | str),
        (len, Callable[[str], int]),
        (object(), Any),
    ],
)
def test_a_value_of_the_type_is_taken(value: object, annotation: Any) -> None:
    check_type("it", value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation", "told"),
    [
        ("3", int, "it is an integer; it is '3'; give an integer"),
        (2.5, int, "it is an integer; it is 2.5; give an integer"),
        (True, int, "it is an integer; it is True; give an integer"),
        ("x", float | None, "it is a number; it is 'x'; give a number"),
        (None, float, "it is a number; it is None; give a number"),
        (1, bool, "it is true or false; it is 1; give true or false"),
        (5, str | None, "it is a string; it is 5; give a string"),
        (5, Path | str, "it is a Path or a string; it is 5; give a Path or a string"),
        (5, tuple[int, ...], "it is a tuple of integers; it is 5; give a tuple of integers"),
        (
            (1, "2"),
            tuple[int, ...],
            "it is a tuple of integers; it is (1, '2'); give a tuple of integers",
        ),
        ("ab", Sequence[str], "it is a list of strings; it is 'ab'; write ['ab']"),
        ([1], Sequence[str], "it is a list of strings; it is [1]; give a list of strings"),
        ("a=1", Mapping[str, Any], "it is a mapping; it is 'a=1'; give a mapping"),
        ({1: 2}, Mapping[str, Any], "it is a mapping; it is {1: 2}; give a mapping"),
        (3, Callable[[str], int], "it is a function; it is 3; give a function"),
    ],
)
def test_a_value_of_another_type_is_one_line(value: object, annotation: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_type("it", value, annotation)
    assert str(caught.value) == told


class Options(TypedDict, total=False):
    seed: int | None


@check_arguments
def verb(name: str, *, n: int = 3, **options: Unpack[Options]) -> tuple[str, int, Options]:
    """Give what it was given."""
    return name, n, options


def test_arguments_are_checked_by_their_annotations() -> None:
    assert verb("a", n=4, seed=None) == ("a", 4, {"seed": None})
    assert verb.__doc__ == "Give what it was given."
    wrong: tuple[dict[str, Any], ...] = (
        {"name": 3},
        {"name": "a", "n": "4"},
        {"name": "a", "seed": "x"},
    )
    for arguments in wrong:
        with pytest.raises(ConfigError, match=f"^{list(arguments)[-1]} is "):
            verb(**arguments)
    unknown: dict[str, Any] = {"sed": 3}
    assert verb("a", **unknown)[2] == unknown  # for the function to refuse
