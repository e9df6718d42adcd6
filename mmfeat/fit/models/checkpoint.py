"""Fitted heads of the folds and of the refit on disk, from which an interrupted fit resumes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from mmfeat.fit.heads.base import Head
from mmfeat.types import Fused, IntArray, Matrix, Targets


def fold_checkpoints(
    head: Head,
    keep: Path | None,
    *,
    fused: Fused[Matrix],
    y: Targets,
    splits: Sequence[IntArray],
    together: bool,
    refit: Head | None = None,
) -> Iterator[Head]:
    """Yield the fitted head of every fold; load it from `keep` if an earlier call saved it.

    Folds are fitted `together` where a head may choose its options for one by the others. Where
    `refit` is given, it is fitted on all rows beside the folds, and yielded last.
    """
    done, wanted = 0, len(splits) + (refit is not None)
    if keep is not None:
        while done < wanted and (keep / str(done) / "head.json").exists():
            done += 1
        if together and head.folds_together and done < wanted:
            done = 0
        for fold in range(done):
            yield type(head).load(keep / str(fold))
    if done == wanted:
        return
    left = splits[done:]
    if refit is not None:
        fits = head.fit_folds_and_refit(fused, y, left, refit)
    elif together:
        fits = head.fit_folds(fused, y, left)
    else:
        fits = chain.from_iterable(head.fit_folds(fused, y, [split]) for split in left)
    for fold, fitted in enumerate(fits, start=done):
        if keep is not None:
            shutil.rmtree(keep / str(fold), ignore_errors=True)
            fitted.save(keep / str(fold))  # head.json is written last
        yield fitted
