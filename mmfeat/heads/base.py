"""The contract of every head: numpy in, probabilities out, saved without pickle.

A head is a frozen dataclass of options (what `--set key=value` can change) plus what `fit`
learned, in attributes that end in ``_``. Heads know neither tables nor HDF5.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from mmfeat.errors import ConfigError
from mmfeat.types import FloatArray, IntArray, Targets


@dataclass(kw_only=True)
class Head(ABC):
    """A multilabel classifier of fused features.

    Attributes
    ----------
    seed
        Of everything random in the head: same machine, inputs and seed, same numbers.
    rounds
        Epochs or trees to train for. None: the head finds the number by early stopping on
        rows that it sets aside itself, among those it was given.
    rounds_
        After `fit`: the number that was used; None where the head has no such thing.
    """

    name: ClassVar[str]
    uses_loss: ClassVar[bool] = False  # whether `--loss` means anything to this head
    learns_fusion: ClassVar[bool] = False  # whether it can fuse its blocks by a learned module

    seed: int = 0
    rounds: int | None = None

    rounds_: ClassVar[int | None] = None

    @abstractmethod
    def fit(self, x: FloatArray, y: Targets, *, blocks: tuple[int, ...]) -> Self:
        """Learn from `x` of shape (n, d), finite, and `y` of shape (n, k), 0 or 1.

        `blocks` are the widths of the parts of `x` (see `mmfeat.types.Fused`). A class without
        positives, or with only positives, is predicted at its constant rate.
        """

    @abstractmethod
    def predict(self, x: FloatArray) -> FloatArray:
        """Give probabilities of shape (n, k) in [0, 1] for `x` of shape (n, d)."""

    @abstractmethod
    def _save_state(self, folder: Path) -> None:
        """Write what `fit` learned into `folder` (safetensors, LightGBM text or JSON)."""

    @abstractmethod
    def _load_state(self, folder: Path) -> None:
        """Read what `_save_state` wrote."""

    def fit_folds(
        self, x: FloatArray, y: Targets, *, blocks: tuple[int, ...], splits: Sequence[IntArray]
    ) -> Iterator[Self]:
        """Yield one fitted copy of this head per entry of `splits` (the rows to train on).

        A head that can share work between the folds overrides this.
        """
        for rows in splits:
            yield replace(self).fit(x[rows], y[rows], blocks=blocks)

    def save(self, folder: Path) -> None:
        """Write the head into `folder`: `head.json` (name, options) and what it learned."""
        folder.mkdir(parents=True, exist_ok=True)
        self._save_state(folder)
        document = {"head": self.name, "options": asdict(self)}
        (folder / "head.json").write_text(json.dumps(document, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a head that `save` wrote."""
        document = json.loads((folder / "head.json").read_text())
        head = cls(**document["options"])
        head._load_state(folder)
        return head

    @classmethod
    def from_settings(cls, settings: dict[str, str], *, seed: int, **given: Any) -> Self:
        """Build the head from `--set` texts; raise `ConfigError` for a key or value it lacks."""
        types = {field.name: field.type for field in fields(cls) if field.name != "seed"}
        options: dict[str, Any] = {}
        for key, text in settings.items():
            if key not in types:
                raise ConfigError(
                    f"--set for the head {cls.name!r} takes {', '.join(sorted(types))}",
                    f"{key!r} is not one of them",
                    "check the spelling, or see the README's table of heads",
                )
            options[key] = parse_option(key, text, str(types[key]))
        return cls(seed=seed, **options, **given)


def parse_option(key: str, text: str, annotation: str) -> Any:
    """Turn the text of a `--set` value into the type its field is annotated with.

    Understood: bool, int, float, str, ``tuple[int, ...]`` (written ``2048-512``), and any of
    them ``| None`` (written ``none``). Raises `ConfigError` where the text does not fit.
    """
    kinds = [part.strip() for part in annotation.split("|")]
    if text.lower() == "none" and "None" in kinds:
        return None
    try:
        if kinds[0] == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kinds[0] == "int":
            return int(text)
        if kinds[0] == "float":
            return float(text)
        if kinds[0].startswith("tuple[int"):
            return tuple(int(part) for part in text.split("-"))
    except (KeyError, ValueError):
        raise ConfigError(
            f"--set {key} takes a value of type {annotation}",
            f"{text!r} is none",
            "write it as in --set dropout=0.5, --set hidden=2048-512 or --set ema=true",
        ) from None
    return text
