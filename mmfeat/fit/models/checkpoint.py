"""Fitted heads of the folds on disk, from which an interrupted fit resumes."""

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
) -> Iterator[Head]:
    """Yield the fitted head of every fold; load it from `keep` if an earlier call saved it.

    Folds are fitted `together` where a head may choose its options for one by the others.
    """
    done = 0
    if keep is not None:
        while done < len(splits) and (keep / str(done) / "head.json").exists():
            done += 1
        if together and head.folds_together and done < len(splits):
            done = 0
        for fold in range(done):
            yield type(head).load(keep / str(fold))
    if done == len(splits):
        return
    left = [splits[done:]] if together else [[split] for split in splits[done:]]
    fits = chain.from_iterable(head.fit_folds(fused, y, some) for some in left)
    for fold, fitted in enumerate(fits, start=done):
        if keep is not None:
            shutil.rmtree(keep / str(fold), ignore_errors=True)
            fitted.save(keep / str(fold))  # head.json is written last
        yield fitted
