"""Several encoders on one device of this machine: each picture is decoded once for all of them.

Their shards are made in turn: the first rows by every encoder, then the next ones. The pictures of
such rows wait, as every encoder wants them, in a file without a name beside the shards, which a
kill removes. Each encoder takes them in its own order, so that its shards have the bytes that they
have without the others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple, Self

import numpy as np

from mmfeat.extract.encoders.base import Preprocessing
from mmfeat.extract.engines.base import Work
from mmfeat.extract.engines.shard import make_shard
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.decoding import DecodeForAll, Decoder
from mmfeat.extract.images.read import Decoded
from mmfeat.extract.plan import Shard
from mmfeat.extract.rows.encode import image_names
from mmfeat.store.hdf5.new_file import room_errors


def make_together(works: Sequence[Work]) -> list[float]:
    """Make the shards of several works; return the seconds that each would take by itself."""
    kinds = list(dict.fromkeys(kind for work in works if (kind := _pixels_of(work))))
    numbers = sorted({shard.number for work in works for shard in work.shards})
    by_number = [{shard.number: shard for shard in work.shards} for work in works]
    rounds = [[(i, of[n]) for i, of in enumerate(by_number) if n in of] for n in numbers]
    names = [_names(works, turn) for turn in rounds]
    plan = works[0].plan
    task = DecodeForAll(
        images=plan.images,
        preprocessings=kinds,
        max_pixels=plan.settings.max_pixels,
        fast=plan.settings.decode == "fast",
    )
    seconds = [0.0] * len(works)
    every = list(chain.from_iterable(names))
    with Decoder(task, workers=plan.settings.workers if every else 0) as decoder:
        decoded = decoder.decode(every)
        for turn, wanted in zip(rounds, names, strict=True):
            with SharedPictures(wanted, decoded, folder=works[0].parts) as pictures:
                for i, shard in turn:
                    seconds[i] += _make(works[i], shard, pictures, kinds)
                for i, _ in turn:  # all would have waited for their pictures
                    seconds[i] += pictures.waited if works[i].plan.of_pictures else 0.0
    return seconds


def _make(
    work: Work, shard: Shard, pictures: SharedPictures, kinds: Sequence[Preprocessing]
) -> float:
    """Make a shard; return the seconds without those of waiting for pictures."""
    started, waited = time.perf_counter(), pictures.waited
    kind = _pixels_of(work)
    names = image_names(work.plan, shard.rows, since=shard.start)
    decoded = pictures.read(names, kinds.index(kind) if kind else 0)
    make_shard(work.plan, work.encoder, shard, work.parts, decoded=decoded, advance=work.advance)
    return time.perf_counter() - started - (pictures.waited - waited)


def _pixels_of(work: Work) -> Preprocessing | None:
    """What makes the pixels of an encoder, which mean and deviation do not; None without images."""
    made = work.encoder.preprocessing
    return replace(made, mean=(), std=()) if made and work.plan.of_pictures else None


def _names(works: Sequence[Work], turn: Sequence[tuple[int, Shard]]) -> list[str]:
    """The images that the shards of a turn take, each once."""
    names = (image_names(works[i].plan, shard.rows, since=shard.start) for i, shard in turn)
    return list(dict.fromkeys(chain.from_iterable(names)))


class _Place(NamedTuple):
    """Where pixels lie in a file, their shape (height, width, 3), and the digest of the picture."""

    start: int
    shape: tuple[int, ...]
    digest: bytes


class SharedPictures:
    """Decoded pictures that several readers take, each in its own order.

    Parameters
    ----------
    names
        Of all pictures, in the order of `decoded`.
    decoded
        For each picture its pixels for each kind of encoder; taken as they are asked for.
    folder
        Where the file lies that keeps them.

    Attributes
    ----------
    waited
        Seconds that were spent on waiting for `decoded`.
    """

    def __init__(
        self, names: Sequence[str], decoded: Iterator[list[Decoded]], *, folder: Path
    ) -> None:
        self._names, self._decoded, self._folder = names, decoded, folder
        self._places: dict[str, list[_Place | Refusal]] = {}  # by kind
        self.waited = 0.0
        with room_errors(folder):
            self._file = TemporaryFile(dir=folder)  # noqa: SIM115 closed by `__exit__`

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, names: Sequence[str], kind: int) -> Iterator[Decoded]:
        """Give the pixels of some of the pictures for one kind of encoder."""
        for name in names:
            while name not in self._places:
                self._take_next()
            place = self._places[name][kind]
            if isinstance(place, Refusal):
                yield place
                continue
            pixels = np.empty(place.shape, dtype=np.uint8)
            self._file.seek(place.start)
            self._file.readinto(pixels.data)
            yield pixels, place.digest

    def _take_next(self) -> None:
        started = time.perf_counter()
        decoded = next(self._decoded)
        self.waited += time.perf_counter() - started
        places = self._places[self._names[len(self._places)]] = []
        with room_errors(self._folder):
            self._file.seek(0, 2)
            for found in decoded:
                if isinstance(found, Refusal):
                    places.append(found)
                    continue
                pixels, digest = found
                places.append(_Place(self._file.tell(), pixels.shape, digest))
                self._file.write(np.ascontiguousarray(pixels).data)
            self._file.flush()
