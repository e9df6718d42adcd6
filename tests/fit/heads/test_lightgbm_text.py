"""A model of LightGBM that a stranger has changed is refused; it neither loops nor crashes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from mmfeat.fit.heads.solvers.lightgbm_text import read_booster

WIDTH = 5


@pytest.fixture(scope="module")
def text() -> str:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, WIDTH))
    y = (x[:, 0] + x[:, 1] ** 2 > 0.5).astype(int)
    options = {"objective": "binary", "verbose": -1, "num_leaves": 7}
    return str(lightgbm.train(options, lightgbm.Dataset(x, y), 4).model_to_string())


def resized(text: str) -> str:
    """Make the sizes of the header those of the trees."""
    body = text[text.index("Tree=0") : text.index("end of trees")]
    trees = re.split(r"(?=^Tree=)", body, flags=re.MULTILINE)[1:]
    sizes = " ".join(str(len(tree)) for tree in trees)
    return re.sub(r"tree_sizes=.*", f"tree_sizes={sizes}", text)


def first(name: str, value: str) -> Callable[[str], str]:
    """Change the first number of the first line of such a name."""
    return lambda text: resized(
        re.sub(rf"^{name}=\S+", f"{name}={value}", text, count=1, flags=re.M)
    )


def test_what_was_written_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "class-0000.txt"
    path.write_text(text)
    x = np.random.default_rng(1).normal(size=(20, WIDTH))
    found = read_booster(path, width=WIDTH).predict(x)
    np.testing.assert_array_equal(found, lightgbm.Booster(model_str=text).predict(x))
    assert resized(text) == text


@pytest.mark.parametrize(
    "change",
    [
        first("left_child", "0"),
        first("right_child", "100000"),
        first("left_child", "-100"),
        first("split_feature", "100000000"),
        first("split_feature", "-1"),
        first("num_leaves", "3"),
        first("num_cat", "1"),
        first("max_feature_idx", "9"),
        lambda text: text.replace("tree_sizes=", "tree_sizes=9"),
        lambda text: text.replace("left_child", "left_children"),
        lambda text: text[: len(text) // 3],
        lambda _text: "hello\n",
        lambda _text: "",
    ],
)
def test_what_was_changed_is_refused(
    tmp_path: Path, text: str, change: Callable[[str], str]
) -> None:
    path = tmp_path / "class-0000.txt"
    path.write_text(change(text))
    assert path.read_text() != text
    with pytest.raises(ValueError, match=r".+"):
        read_booster(path, width=WIDTH)
