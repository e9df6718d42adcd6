"""A saved model of LightGBM is checked before LightGBM parses it.

LightGBM trusts its own text: a child that points back makes it loop for ever, and a feature that
is not there is read from anywhere. In a tree that it has written, every node stands before its
children, for they were split later.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lightgbm
import numpy as np

from mmfeat.types import IntArray


def read_booster(path: Path, *, width: int) -> lightgbm.Booster:
    """Read a model of features (n, width); raise `ValueError` where it is not one."""
    text = path.read_text(encoding="utf-8")
    try:
        _check(text, width)
        return lightgbm.Booster(model_str=text)
    except (KeyError, IndexError, lightgbm.basic.LightGBMError) as error:
        raise ValueError(f"{path.name} is no model of LightGBM: {error}") from error


def trees_of(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each tree; raise `ValueError` where the header says something else."""
    start = text.index("Tree=0")
    sizes = _integers(_fields(text[:start])["tree_sizes"])
    for number, size in enumerate(sizes.tolist()):
        tree = text[start : start + size]
        if size < 0 or not tree.startswith(f"Tree={number}\n"):
            raise ValueError(f"the size of tree {number} is wrong")
        yield _fields(tree)
        start += size
    if not text[start:].startswith("end of trees"):
        raise ValueError("there are other trees than its header says")


def _check(text: str, width: int) -> None:
    header = _fields(text[: text.index("Tree=0")])
    if int(header["max_feature_idx"]) != width - 1:
        raise ValueError(f"it is of other features than {width}")
    for tree in trees_of(text):
        _check_tree(tree, width)


def _check_tree(fields: dict[str, str], width: int) -> None:
    n_leaves = int(fields["num_leaves"])
    n_nodes = n_leaves - 1
    if int(fields["num_cat"]) or int(fields.get("is_linear", "0")):
        raise ValueError("a tree has categories or lines, which no model of mmfeat has")
    if len(fields["leaf_value"].split()) != n_leaves:
        raise ValueError("a tree has other leaves than it says")
    if n_nodes < 1:
        return
    for name in ("threshold", "decision_type", "split_feature", "left_child", "right_child"):
        if len(fields[name].split()) != n_nodes:
            raise ValueError(f"a tree has other {name} than nodes")
    features = _integers(fields["split_feature"])
    children = np.stack([_integers(fields[f"{side}_child"]) for side in ("left", "right")])
    if (features < 0).any() or (features >= width).any():
        raise ValueError("a tree splits a feature that is not there")
    later = (children > np.arange(n_nodes)) & (children < n_nodes)
    leaf = (children < 0) & (children >= -n_leaves)
    if not (later | leaf).all():
        raise ValueError("a node of a tree has an impossible child")


def _fields(text: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)


def _integers(text: str) -> IntArray:
    return np.array(text.split(), np.int64)
