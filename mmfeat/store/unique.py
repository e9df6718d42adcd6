"""Whether a text occurs twice among many, found without holding them: 8 bytes for each.

Equal texts have equal digests, so the digests are sorted, and texts are compared where digests are
equal: the answer is exact, whatever the digest. Python's own hash is keyed anew in each process,
so that nobody can prepare texts that share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import numpy as np

from mmfeat.types import IntArray

Digest = Callable[[str], int]  # of 64 bits
AT_ONCE = 1024  # digests whose texts are compared in one reading


def digests_of(texts: Sequence[str], *, digest: Digest = hash) -> IntArray:
    """The digests of texts, (n,)."""
    return np.fromiter(map(digest, texts), np.int64, len(texts))


def has_repeats(
    digests: IntArray,
    read: Callable[[], Iterable[Sequence[str]]],
    *,
    digest: Digest = hash,
    at_once: int = AT_ONCE,
) -> bool:
    """Whether one of the texts that `read` gives in blocks occurs twice.

    `digests` (n,) are theirs, in any order, and are sorted in place. The texts are read again
    only where digests are equal, up to the first that is repeated, for `at_once` digests a time.
    """
    digests.sort()
    equal = np.unique(digests[1:][digests[1:] == digests[:-1]])
    for start in range(0, len(equal), at_once):
        looked_for = set(equal[start : start + at_once].tolist())
        seen: set[str] = set()
        for text in chain.from_iterable(read()):
            if digest(text) in looked_for:
                if text in seen:
                    return True
                seen.add(text)
    return False
