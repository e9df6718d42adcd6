"""Multilabel-stratified folds: every fold sees each class about equally often.

Iterative stratification (Sechidis, Tsoumakas, Vlahavas, ECML PKDD 2011):

1. take the class with the fewest rows left;
2. give each of its rows to the fold that wants that class most; among equals, to the fold
   that wants most rows; among those, at random;
3. repeat until no class is left, then share out the rows without labels.

A last pass moves rows so that every fold has a positive wherever a class has enough of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np

from mmfeat.core.files import read_json, write_json
from mmfeat.errors import FitError, RunError
from mmfeat.metrics.known import positives
from mmfeat.types import Embeddings, FeatureRows, IntArray, Targets

READ_ROWS = 8192  # that are read at a time, which bounds the memory


def make_folds(
    targets: Targets, *, n_folds: int, seed: int, groups: IntArray | None = None
) -> IntArray:
    """Assign each row of `targets`, (n, k), to a fold: (n,) int64 in [0, n_folds).

    What is balanced are known positives.

    Rows of one of the `groups`, (n,), stay together: a group counts as one row that has the
    labels of all of its rows. The same targets, number and seed give the same folds. Every fold
    gets a positive of every class that has at least `n_folds`, unless rows with several labels
    make that impossible.
    Raises `FitError` for fewer rows than folds, or fewer than two folds.
    """
    targets = positives(targets)
    if groups is not None:
        _, first, member = np.unique(groups, return_index=True, return_inverse=True)
        joined = np.zeros((len(first), targets.shape[1]), np.uint8)
        np.maximum.at(joined, member, targets)
        return make_folds(joined, n_folds=n_folds, seed=seed)[member]
    n_rows = len(targets)
    if not 2 <= n_folds <= n_rows:
        raise FitError(
            "cross-validation needs at least 2 folds and a row, or a group of rows, for each",
            f"{n_folds} folds of {n_rows} rows were asked for",
            "choose another number of --folds, or give more rows",
        )
    rng = np.random.default_rng(seed)
    folds = np.full(n_rows, -1, dtype=np.int64)
    order = rng.permutation(n_rows)  # rows of a class are taken in a random order
    luck = rng.random((n_rows, n_folds))
    labels_of = [np.flatnonzero(row) for row in targets]
    wanted = np.tile(targets.sum(axis=0) / n_folds, (n_folds, 1))  # (folds, k)
    room = np.full(n_folds, n_rows / n_folds)

    def give(row: int, fold: int) -> None:
        folds[row] = fold
        wanted[fold, labels_of[row]] -= 1
        room[fold] -= 1

    while (left := folds < 0).any():
        counts = targets[left].sum(axis=0)
        if not counts.any():
            break
        rarest = int(np.where(counts > 0, counts, n_rows + 1).argmin())
        for row in order[(left & (targets[:, rarest] > 0))[order]]:
            want = wanted[:, rarest]
            give(row, max(range(n_folds), key=lambda f: (want[f], room[f], luck[row, f])))
    for row in order[(folds < 0)[order]]:
        give(row, max(range(n_folds), key=lambda f: (room[f], luck[row, f])))
    _complete(folds, targets, n_folds)
    return folds


def count_leaks(features: FeatureRows, folds: IntArray) -> int:
    """Count the rows whose embeddings occur, bit for bit, in another fold as well.

    Rows without any embedding are not alike.
    """
    keys = np.empty(len(folds), np.uint64)
    empty = np.zeros(len(folds), np.bool_)
    for start in range(0, len(folds), READ_ROWS):
        part = features.part(slice(start, start + READ_ROWS))
        found = chain.from_iterable(part.embeddings.values())
        arrays = [np.ascontiguousarray(array) for array in found]
        for row, embeddings in enumerate(zip(*arrays, strict=True), start):
            keys[row] = _digest(embeddings)
            empty[row] = all(np.isnan(array[0]) for array in embeddings)
    _, twins = np.unique(keys, return_inverse=True)
    lowest, highest = np.full(len(folds), folds.max()), np.zeros(len(folds), np.int64)
    np.minimum.at(lowest, twins, folds)
    np.maximum.at(highest, twins, folds)
    return int(((lowest < highest)[twins] & ~empty).sum())


def _digest(arrays: Iterable[Embeddings]) -> int:
    total = hashlib.blake2b(digest_size=8)
    for array in arrays:
        total.update(array.data)
    return int.from_bytes(total.digest(), "little")


def save_folds(path: Path, folds: IntArray) -> None:
    """Replace `path` by the folds as JSON with their sha256, atomically."""
    document = {"n_folds": int(folds.max()) + 1, "sha256": _sha256(folds), "folds": folds.tolist()}
    write_json(path, document)


def load_folds(path: Path) -> IntArray:
    """Read what `save_folds` wrote; raise `RunError` where it is damaged."""
    try:
        document = read_json(path)
        folds = np.array(document["folds"], dtype=np.int64)
        if document["sha256"] != _sha256(folds):
            raise ValueError("its sha256 differs")
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunError(
            "folds are saved as JSON with their sha256", f"{path}: {error}", "remove the file"
        ) from error
    return folds


def _sha256(folds: IntArray) -> str:
    return hashlib.sha256(np.ascontiguousarray(folds, dtype="<i8").tobytes()).hexdigest()


def _complete(folds: IntArray, targets: Targets, n_folds: int) -> None:
    """Move rows, rarest class first, until no class with enough positives misses a fold."""
    support = targets.sum(axis=0)
    counts = np.stack([targets[folds == fold].sum(axis=0) for fold in range(n_folds)])
    for label in np.argsort(support, kind="stable"):
        if support[label] < n_folds:
            continue
        for fold in np.flatnonzero(counts[:, label] == 0):
            for row in np.flatnonzero(targets[:, label]):
                held = (targets[row] > 0) & (support >= n_folds)
                if (counts[folds[row], held] >= 2).all():
                    counts[folds[row]] -= targets[row]
                    counts[fold] += targets[row]
                    folds[row] = fold
                    break
