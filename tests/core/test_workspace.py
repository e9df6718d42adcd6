"""Names of runs, splits and feature sets become file names, and are refused where they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.core.workspace import LONGEST_NAME, Workspace
from mmfeat.errors import ConfigError


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "a\\b", ".hidden", "..", "a\0b", "a\nb", "a\x1b]52;c;x\x07", "\udcff"]
)
def test_a_name_that_is_no_plain_word_is_refused(name: str) -> None:
    space = Workspace(Path("work"))
    for path_of in (space.run, space.store, space.search):
        with pytest.raises(ConfigError, match="plain word"):
            path_of(name)


def test_a_name_leaves_room_for_those_of_temporary_files() -> None:
    space = Workspace(Path("work"))
    assert space.run("é" * (LONGEST_NAME // 2)).parent == Path("work/runs")
    with pytest.raises(ConfigError, match=f"has {LONGEST_NAME + 2} bytes"):
        space.run("é" * (LONGEST_NAME // 2 + 1))
