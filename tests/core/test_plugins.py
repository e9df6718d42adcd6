from __future__ import annotations

import pytest

from mmfeat.core.plugins import Plugin, check_name, resolve
from mmfeat.errors import PluginError

REGISTRY = {
    "here": Plugin("mmfeat.errors:PluginError", "an error"),
    "away": Plugin("surely_not_installed:thing", "needs a package"),
    "extra": Plugin("surely_not_installed:thing", "needs an extra", extra="more"),
}


def test_resolve_imports_the_attribute() -> None:
    assert resolve("here", REGISTRY, "thing") is PluginError


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(PluginError, match=r"here, away, extra.*'nowhere'.*mmfeat list things"):
        check_name("nowhere", REGISTRY, "thing")


def test_a_missing_dependency_is_named() -> None:
    with pytest.raises(PluginError, match="surely_not_installed"):
        resolve("away", REGISTRY, "thing")
    with pytest.raises(PluginError, match=r"pip install 'mmfeat\[more\]'"):
        resolve("extra", REGISTRY, "thing")
