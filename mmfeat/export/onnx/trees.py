"""Boosted trees as one operator of ONNX: LightGBM's converter gives the trees of each class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import lightgbm
import onnx
import onnx_ir
import torch
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from torch import Tensor, nn

from mmfeat.export.onnx.scores import sigmoid
from mmfeat.fit.heads.lightgbm import LightGBM

OPERATOR, DOMAIN, VERSION = "TreeEnsembleRegressor", "ai.onnx.ml", 3
NUMBER = "number"  # an attribute that stands for the trees until the graph is made
NEWEST = 15  # operator set that the converter knows; its nodes of trees are the same since 1
ATTRIBUTES: dict[type, Callable[[str, Any], onnx_ir.Attr]] = {
    int: onnx_ir.AttrInt64s,
    float: onnx_ir.AttrFloat32s,
    str: onnx_ir.AttrStrings,
}


class Trees(nn.Module):
    """LightGBM: the trees of all classes in one node, with a sum for each class.

    They exist in the graph alone: torch computes nothing here.
    """

    def __init__(self, head: LightGBM) -> None:
        super().__init__()
        self.n_classes, self.number = len(head._boosters), 0
        self.trees = joined(_trees(booster, sum(head.blocks_)) for booster in head._boosters)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (n, d) -> (n, classes)."""
        total: Tensor = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{OPERATOR}",
            (rows,),
            attrs={NUMBER: self.number},
            dtype=torch.float32,
            shape=(rows.shape[0], self.n_classes),
            version=VERSION,
        )
        return sigmoid(total.double()).float()  # as LightGBM computes it


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
            node.attributes.add(onnx_ir.AttrInt64("n_targets", part.n_classes))
            for name, values in part.trees.items():
                node.attributes.add(ATTRIBUTES[type(values[0])](name, values))


def joined(classes: Iterable[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """The attributes of one regressor with a target for each class."""
    found: dict[str, list[Any]] = defaultdict(list)
    n_trees = 0
    for number, trees in enumerate(classes):
        for name, values in trees.items():
            if name.endswith("treeids"):
                found[name] += [tree + n_trees for tree in values]
            else:
                found[name] += [number] * len(values) if name == "target_ids" else values
        n_trees += max(trees["nodes_treeids"]) + 1
    return dict(found)


def _trees(booster: lightgbm.Booster, width: int) -> dict[str, list[Any]]:
    """The trees of one class, as attributes of a regressor."""
    columns = [("rows", FloatTensorType([None, width]))]
    model = convert_lightgbm(booster, initial_types=columns, zipmap=False, target_opset=NEWEST)
    node = next(node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier")
    values = {found.name: onnx.helper.get_attribute_value(found) for found in node.attribute}
    values["nodes_modes"] = [mode.decode() for mode in values["nodes_modes"]]
    names = [name for name in values if name.startswith(("nodes_", "class_"))]
    return {name.replace("class_", "target_"): list(values[name]) for name in names}
