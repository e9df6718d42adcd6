"""Boosted trees as one operator of ONNX, in float64: the splits and leaves that LightGBM wrote.

Converters of LightGBM round thresholds and leaves to float32. A row then takes another branch where
a number lies between a threshold and its rounding, and late fusions, which take logits of
probabilities near 1, see the last digit of a sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import lightgbm
import numpy as np
import onnx_ir
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmfeat.export.onnx.scores import sigmoid
from mmfeat.fit.heads.lightgbm import LightGBM
from mmfeat.fit.heads.solvers.lightgbm_text import trees_of

OPERATOR, DOMAIN, VERSION = "TreeEnsemble", "ai.onnx.ml", 5
NUMBER = "number"  # an attribute that stands for the trees until the graph is made
LEQ = 0  # the mode of a node: left where the number is at most the split
SUM, NONE = 1, 0  # how the leaves of a class are joined, and what is done with the result


class Trees(nn.Module):
    """LightGBM: the trees of all classes in one node, with a sum for each class.

    They exist in the graph alone: torch computes nothing here.
    """

    def __init__(self, head: LightGBM) -> None:
        super().__init__()
        self.n_classes, self.number = len(head._boosters), 0
        self.attributes = attributes_of(head._boosters)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (n, d) -> (n, classes)."""
        total: Tensor = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{OPERATOR}",
            (rows.double(),),
            attrs={NUMBER: self.number},
            dtype=torch.float64,
            shape=(rows.shape[0], self.n_classes),
            version=VERSION,
        )
        return sigmoid(total).float()


def number_trees(graph: nn.Module) -> list[Trees]:
    """Number all `Trees` of a graph before it is exported."""
    found = [part for part in graph.modules() if isinstance(part, Trees)]
    for number, part in enumerate(found):
        part.number = number
    return found


def plant_trees(graph: onnx_ir.Graph, found: list[Trees]) -> None:
    """Give each node of trees its attributes, by its number."""
    for node in graph:
        if node.op_type == OPERATOR:
            part = found[node.attributes.pop(NUMBER).as_int()]
            node.attributes.update({one.name: one for one in part.attributes})


def attributes_of(boosters: Sequence[lightgbm.Booster]) -> list[onnx_ir.Attr]:
    """The attributes of a `TreeEnsemble` with the trees of each class, one booster each."""
    nodes: dict[str, list[NDArray[np.int64]]] = {}
    splits, leaves, classes, roots = [], [], [], []
    n_nodes = n_leaves = 0
    for number, booster in enumerate(boosters):
        for tree in trees_of(booster.model_to_string()):
            values = np.array(tree["leaf_value"].split(), np.float64)
            if len(values) == 1:  # a tree has a node, also where all rows are in one leaf
                feature, split = np.zeros(1, np.int64), np.zeros(1)
                children = {side: np.array([-1]) for side in ("left", "right")}
            else:
                feature = np.array(tree["split_feature"].split(), np.int64)
                split = np.array(tree["threshold"].split(), np.float64)
                children = {
                    side: np.array(tree[f"{side}_child"].split(), np.int64)
                    for side in ("left", "right")
                }
            nodes.setdefault("nodes_featureids", []).append(feature)
            for name, child in zip(("true", "false"), children.values(), strict=True):
                is_leaf = child < 0  # leaf number ~child
                place = np.where(is_leaf, n_leaves + ~child, n_nodes + child)
                nodes.setdefault(f"nodes_{name}nodeids", []).append(place)
                nodes.setdefault(f"nodes_{name}leafs", []).append(is_leaf.astype(np.int64))
            roots.append(n_nodes)
            splits.append(split)
            leaves.append(values)
            classes += [number] * len(values)
            n_nodes, n_leaves = n_nodes + len(split), n_leaves + len(values)
    modes = np.full(n_nodes, LEQ, np.uint8)
    return [
        *(
            onnx_ir.AttrInt64s(name, np.concatenate(parts).tolist())
            for name, parts in nodes.items()
        ),
        onnx_ir.AttrInt64s("leaf_targetids", classes),
        onnx_ir.AttrInt64s("tree_roots", roots),
        onnx_ir.AttrTensor("nodes_splits", onnx_ir.tensor(np.concatenate(splits))),
        onnx_ir.AttrTensor("nodes_modes", onnx_ir.tensor(modes)),
        onnx_ir.AttrTensor("leaf_weights", onnx_ir.tensor(np.concatenate(leaves))),
        onnx_ir.AttrInt64("n_targets", len(boosters)),
        onnx_ir.AttrInt64("aggregate_function", SUM),
        onnx_ir.AttrInt64("post_transform", NONE),
    ]
