"""Functions of feature fusions: the modalities' rows become one matrix.

A row that lacks a modality has zeros in its place, side by side and in products. Sum, mean and
maximum are those of the modalities that the row has.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from mmfeat.fit.fusion.rows import ModalityRows
from mmfeat.types import FloatArray, Fused


def side_by_side(rows: ModalityRows) -> Fused[FloatArray]:
    """Join one block per modality."""
    values, _ = _blocks(rows, rows.widths)
    return Fused(values=values, blocks=rows.widths)


def side_by_side_with_product(rows: ModalityRows) -> Fused[FloatArray]:
    """Join one block per modality and one of their element-wise product."""
    widths = (*rows.widths, rows.width)
    values, (*modalities, product) = _blocks(rows, widths)
    reduce(lambda left, right: np.multiply(left, right, out=product), modalities)
    return Fused(values=values, blocks=widths)


def add(rows: ModalityRows) -> Fused[FloatArray]:
    """Add the modalities element-wise."""
    arrays = rows.read_all()
    _, values = next(arrays)
    for _, other in arrays:
        values += other
    return _one_block(values)


def average(rows: ModalityRows) -> Fused[FloatArray]:
    """Average the modalities that a row has, element-wise."""
    fused = add(rows)
    count = np.sum([rows.present(modality) for modality in rows.modalities], axis=0)
    fused.values[:] /= np.maximum(count, 1, dtype=np.float32)[:, None]
    return fused


def multiply(rows: ModalityRows) -> Fused[FloatArray]:
    """Multiply the modalities element-wise."""
    arrays = rows.read_all()
    _, values = next(arrays)
    for _, other in arrays:
        values *= other
    return _one_block(values)


def maximum(rows: ModalityRows) -> Fused[FloatArray]:
    """Take the element-wise maximum of the modalities that a row has."""
    arrays = rows.read_all()
    first, values = next(arrays)
    seen = rows.present(first)
    for modality, other in arrays:
        here = rows.present(modality)
        both = (seen & here)[:, None]
        np.maximum(values, other, out=values, where=both)
        np.add(values, other, out=values, where=~both)  # one of them is zero
        seen |= here
    return _one_block(values)


def difference(rows: ModalityRows) -> Fused[FloatArray]:
    """Take the absolute difference of two modalities; zero where a row lacks one."""
    (first, values), (second, other) = rows.read_all()
    values -= other
    np.abs(values, out=values)
    values[~(rows.present(first) & rows.present(second))] = 0
    return _one_block(values)


def _blocks(rows: ModalityRows, widths: tuple[int, ...]) -> tuple[FloatArray, list[FloatArray]]:
    """Allocate a matrix of such blocks, and read the modalities into the first of them."""
    values = np.empty((rows.n_rows, sum(widths)), dtype=np.float32)
    blocks = np.split(values, np.cumsum(widths)[:-1], axis=1)
    for modality, block in zip(rows.modalities, blocks, strict=False):
        rows.read(modality, out=block)
    return values, blocks


def _one_block(values: FloatArray) -> Fused[FloatArray]:
    return Fused(values=values, blocks=(values.shape[1],))
