"""The search space of every head holds its own options, and starts at its own values."""

from __future__ import annotations

from typing import Any

import pytest

from mmfeat.core.plugins import resolve
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.space import Choice, Range, setting_of


def build(name: str, settings: dict[str, str]) -> Head:
    head: Head = resolve(name, HEADS, "head").from_settings(settings, seed=0)
    return head


@pytest.mark.parametrize("name", HEADS)
def test_the_start_is_the_head_itself(name: str) -> None:
    space = build(name, {}).search_space()
    assert bool(space) == (name != "zeroshot")  # which has no options
    start = {key: setting_of(option.start) for key, option in space.items()}
    assert build(name, start).search_space() == space


@pytest.mark.parametrize("name", HEADS)
def test_every_value_is_one_that_the_head_takes(name: str) -> None:
    for key, option in build(name, {}).search_space().items():
        if isinstance(option, Choice):
            values: tuple[Any, ...] = option.among
        else:
            kind = int if option.whole else float
            values = (kind(option.low), kind(option.high))
            assert option.low <= option.start <= option.high
            assert option.low > 0 or not option.log
        for value in values:
            build(name, {key: setting_of(value)})


@pytest.mark.parametrize(
    ("name", "settings", "key", "start"),
    [
        ("mlp", {"preset": "guo-unimodal"}, "hidden", (2048, 512)),
        ("mlp", {"preset": "guo-unimodal", "dropout": "0.1"}, "dropout", 0.1),
        ("mlp", {"lr": "0.5"}, "lr", 0.5),
        ("mlp", {"decay": "0"}, "decay", 1e-4),  # no 0 among orders of magnitude
        ("logreg", {"C": "5000"}, "C", 5000.0),
        ("gmlp", {"tokens": "3"}, "tokens", 3),
    ],
)
def test_a_space_is_widened_to_hold_its_start(
    name: str, settings: dict[str, str], key: str, start: object
) -> None:
    option = build(name, settings).search_space()[key]
    assert option.start == start
    if isinstance(option, Range):
        assert option.low <= option.start <= option.high
    else:
        assert option.start in option.among


def test_a_gate_of_channels_keeps_its_one_token() -> None:
    assert "tokens" not in build("gmlp", {"gate": "channel", "tokens": "1"}).search_space()
