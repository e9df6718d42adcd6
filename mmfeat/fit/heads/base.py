"""The contract of every head: numpy in, probabilities out, saved without pickle.

A head is a dataclass of options (what `--set key=value` can change) plus what `fit` learned,
in attributes that end in ``_``. Heads know neither tables nor HDF5.

Classes without positives, or with only positives, are answered here with their constant rate:
`_fit` and `_predict` only ever see classes that there is something to learn about.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from mmfeat.core.checks import check_range
from mmfeat.core.files import write_json
from mmfeat.errors import ConfigError, FitError
from mmfeat.fit.heads.space import Space
from mmfeat.fit.heads.streaming import in_order
from mmfeat.types import FloatArray, Fused, IntArray, Matrix, Targets

History = dict[str, list[float | None]]


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
    rates_
        After `fit`: the share of positives of each class, (k,) float64.
    history_
        After `fit`: the loss of each epoch on the rows it is of, `train` and `aside` (those set
        validation), None where it is not finite; empty where the head has no epochs.
    """

    name: ClassVar[str]
    uses_loss: ClassVar[bool] = False  # whether `--loss` means anything to this head
    learns_fusion: ClassVar[bool] = False  # whether it can fuse its blocks by a learned module
    folds_together: ClassVar[bool] = False  # whether the fit of a fold depends on the others
    relative_cost: ClassVar[float] = 1.0  # of a fit, against logistic regression; a rough guess
    uses_prompts: ClassVar[bool] = False  # whether it compares rows with prompts of the labels
    streams: ClassVar[bool] = False  # whether `_fit` takes rows that are not all in memory
    reads_parts: ClassVar[bool] = False  # whether it reads them in parts, which are fused then

    seed: int = 0
    rounds: int | None = None

    def __post_init__(self) -> None:
        check_range("rounds", 1 if self.rounds is None else self.rounds, 1, 1e9)
        self.rounds_: int | None = None
        self.blocks_: tuple[int, ...] = ()
        self.rates_ = np.empty(0)
        self.prompts_ = np.empty((0, 0), dtype=np.float32)
        self.history_: History = {}

    @abstractmethod
    def _fit(self, x: Any, y: Targets, rows: IntArray, blocks: tuple[int, ...]) -> None:
        """Learn from the chosen `rows`, ascending, of `x`, (n, d), and of `y`, (n, k).

        All classes have both values among these rows. A head copies no more of them than it must.
        `x` is a `FloatArray`; that of a head that `streams` or `reads_parts` is any `Matrix`.
        """

    @abstractmethod
    def _predict(self, x: FloatArray) -> FloatArray:
        """Give the probabilities of the classes that `_fit` saw."""

    @abstractmethod
    def _save_state(self, folder: Path) -> None:
        """Write what `_fit` learned into `folder` (safetensors, LightGBM text or JSON)."""

    @abstractmethod
    def _load_state(self, folder: Path) -> None:
        """Read what `_save_state` wrote."""

    def fit(
        self,
        x: Matrix,
        y: Targets,
        *,
        blocks: tuple[int, ...],
        prompts: FloatArray | None = None,
    ) -> Self:
        """Learn from `x` of shape (n, d), finite, and `y` of shape (n, k), 0 or 1.

        `blocks` are the widths of the parts of `x` and `prompts`, (k, d), those of the labels
        (see `mmfeat.types.Fused`); a head that `uses_prompts` needs them. A class without
        positives, or with only positives, is predicted at its constant rate. Raises `FitError`
        without rows or classes, and where training cannot go on.
        """
        fused = Fused(values=x, blocks=blocks, prompts=prompts)
        return self._learn(fused, y, np.arange(len(x)))

    def predict(self, x: FloatArray) -> FloatArray:
        """Give probabilities of shape (n, k) in [0, 1], float32, for `x` of shape (n, d)."""
        if x.shape[1] != sum(self.blocks_):
            raise FitError(
                f"this head was fitted on {sum(self.blocks_)} numbers per row",
                f"these rows have {x.shape[1]}",
                "use the encoder and fusion that it was fitted on",
            )
        scores = np.tile(self.rates_.astype(np.float32), (len(x), 1))
        if self.learnable_.any() and len(x):
            scores[:, self.learnable_] = self._predict(x)
        return scores

    def predict_rows(self, x: Matrix, rows: IntArray) -> FloatArray:
        """Give probabilities of shape (m, k) for the chosen `rows`, ascending, of `x`."""
        scores = np.empty((len(rows), len(self.rates_)), dtype=np.float32)
        for at, part in in_order(x, rows):
            scores[at] = self.predict(part)
        return scores

    def fit_folds(
        self, fused: Fused[Matrix], y: Targets, splits: Sequence[IntArray]
    ) -> Iterator[Self]:
        """Yield one fitted copy of this head per entry of `splits` (the rows to train on).

        A head that can share work between the folds overrides this.
        """
        for rows in splits:
            yield replace(self)._learn(fused, y, rows)

    def for_refit(self, folds: Sequence[Self]) -> Self:
        """Give this head with what the folds found, ready to be refitted on all rows."""
        found = [head.rounds_ for head in folds if head.rounds_ is not None]
        return replace(self, rounds=max(1, round(np.mean(found))) if found else self.rounds)

    def search_space(self) -> Space:
        """What `mmfeat search` may try for each option, starting at this head's own value."""
        return {}

    @property
    def learnable_(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Of shape (k,): whether the class had both values among the rows of `fit`."""
        return (self.rates_ > 0) & (self.rates_ < 1)

    def _learn(self, fused: Fused[Matrix], y: Targets, rows: IntArray) -> Self:
        self._describe(fused, y, rows)
        if self.uses_prompts:
            assert fused.prompts is not None, (
                "mmfeat.fit.fusion.fuse gives them, or says there are none"
            )
            self.prompts_ = fused.prompts
        if self.learnable_.any():
            self._fit(fused.values, y[:, self.learnable_], rows, self.blocks_)
        return self

    def _describe(self, fused: Fused[Matrix], y: Targets, rows: IntArray) -> None:
        x, blocks = fused.values, fused.blocks
        if not (y.size and x.shape[1] and rows.size) or len(x) != len(y):
            raise FitError(
                "a head needs rows of features (n, d) and targets (n, k), with no size 0",
                f"features have shape {x.shape}, targets {y.shape}",
                "check the table and its label column",
            )
        if sum(blocks) != x.shape[1]:
            raise FitError(
                "blocks must be the widths of the parts of the features",
                f"{blocks} do not sum to {x.shape[1]}",
                "take both from mmfeat.fit.fusion.fuse.fuse",
            )
        self.blocks_, self.rates_ = tuple(blocks), y[rows].mean(axis=0, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write the head into `folder`: what it learned, then `head.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.learnable_.any():
            self._save_state(folder)
        learned = {
            "rounds": self.rounds_,
            "blocks": self.blocks_,
            "rates": self.rates_.tolist(),
            "history": self.history_,
        }
        document = {"head": self.name, "options": asdict(self), "learned": learned}
        write_json(folder / "head.json", document)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a head that `save` wrote."""
        document = json.loads((folder / "head.json").read_text(encoding="utf-8"))
        options: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in document["options"].items()
        }
        head = cls(**options)
        learned = document["learned"]
        head.rounds_, head.blocks_ = learned["rounds"], tuple(learned["blocks"])
        head.rates_, head.history_ = np.array(learned["rates"]), learned.get("history", {})
        if head.learnable_.any():
            head._load_state(folder)
        return head

    @classmethod
    def from_settings(cls, settings: dict[str, str], *, seed: int, **given: Any) -> Self:
        """Build the head from `--set` texts; raise `ConfigError` for a key or value it lacks."""
        types = {f.name: f.type for f in fields(cls) if f.name not in ("seed", *given)}
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
            f"{text!r} is not",
            "write it as in --set dropout=0.5, --set hidden=2048-512 or --set ema=true",
        ) from None
    return text
