from __future__ import annotations

import pytest

from mmfeat.core.checks import check_choice, check_range
from mmfeat.errors import ConfigError


def test_a_choice_is_one_of_the_valid_ones() -> None:
    check_choice("--format", "labels", {"labels": 1, "multihot": 2})
    with pytest.raises(ConfigError) as caught:
        check_choice("--format", "label", ("labels", "multihot"))
    assert str(caught.value) == (
        "--format is one of labels, multihot; 'label' is not; choose one of them"
    )


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_a_range_includes_its_ends(value: float) -> None:
    check_range("ema", value, 0, 1)


@pytest.mark.parametrize("value", [-1e-9, 1.1, float("nan"), float("inf")])
def test_a_value_outside_the_range_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match=f"ema lies between 0 and 1; it is {value}"):
        check_range("ema", value, 0, 1)
