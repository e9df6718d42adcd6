"""The contract of every head: numpy in, probabilities out, saved without pickle.

A head is a dataclass of options (what `--set key=value` can change) plus what `fit` learned,
in attributes that end in ``_``. Heads know neither tables nor HDF5.

Classes without positives, or with only positives, as far as is known, are predicted here at their
constant rate: `_fit` and `_predict` only see classes that have both values.
"""

from __future__ import annotations

import errno
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
from safetensors import SafetensorError

from mmfeat.core.files import read_json, share_as_folder, write_json
from mmfeat.errors import ConfigError, FitError, did_you_mean
from mmfeat.fit.heads.estimator import Estimator, checked_groups, checked_matrix, checked_targets
from mmfeat.fit.heads.options import (
    check_none_is_ignored,
    check_options,
    option,
    options_of,
    parse_option,
)
from mmfeat.fit.heads.space import Space
from mmfeat.fit.heads.streaming import in_order
from mmfeat.metrics.known import rates
from mmfeat.types import FloatArray, Fused, IntArray, Matrix, Targets

WIDEST, MOST_BLOCKS = 2**24, 2**10  # numbers and parts of a row, of a head that is loaded

History = dict[str, list[float | None]]


@dataclass(kw_only=True)
class Head(Estimator):
    """A multilabel classifier of fused features, as an estimator of scikit-learn.

    Attributes
    ----------
    seed
        Seeds all randomness: on one machine, the same inputs and seed give the same numbers.
    rounds_
        After `fit`: the number of epochs or trees that was used; None for heads without either.
    rates_
        After `fit`: the share of positives among the known targets of each class, (k,) float64.
    blocks_
        After `fit`: the widths of the blocks of a row.
    prompts_
        After `fit` of a head that uses prompts: the prompts of the labels, (k, d).
    history_
        After `fit`: the loss of each epoch on the `train` and `validation` rows (held out from
        training), None if it is not finite; empty for heads without epochs.
    """

    name: ClassVar[str]
    uses_loss: ClassVar[bool] = False  # whether `--loss` has an effect
    learns_fusion: ClassVar[bool] = False  # whether it can fuse its blocks by a learned module
    folds_together: ClassVar[bool] = False  # whether the fit of a fold depends on the others
    relative_cost: ClassVar[float] = 1.0  # of a fit, relative to logistic regression; a rough guess
    sketched: ClassVar[dict[str, str]] = {}  # settings of a quick comparison that rank it sooner
    uses_prompts: ClassVar[bool] = False  # whether it compares rows with prompts of the labels
    streams: ClassVar[bool] = False  # whether `_fit` takes rows that are not all in memory
    reads_parts: ClassVar[bool] = False  # whether it reads them in parts, fused on reading
    ignored: ClassVar[dict[str, set[str]]] = {}  # option -> those it overrides

    seed: int = option(0, "random seed", low=0, high=2**63 - 1)

    # Values before `fit`; not annotated, because annotated attributes would become options.
    rounds_ = cast("int | None", None)
    blocks_ = cast("tuple[int, ...]", ())
    rates_ = np.empty(0)
    prompts_ = np.empty((0, 0), dtype=np.float32)
    history_ = cast("History", {})

    @abstractmethod
    def _fit(self, fused: Fused[Any], y: Targets, rows: IntArray) -> None:
        """Learn from the chosen `rows`, ascending, of `fused`, (n, d), and of `y`, (n, k).

        All classes have both values among these rows; where `y` is unknown there is nothing to
        learn. A head copies as few rows as possible, and keeps groups whole where it splits them.
        The values are a `FloatArray`, of a head that `streams` or `reads_parts` any `Matrix`.
        """

    @abstractmethod
    def _predict(self, x: FloatArray) -> FloatArray:
        """Return the probabilities of the classes that `_fit` saw."""

    @abstractmethod
    def _save_state(self, folder: Path) -> None:
        """Write what `_fit` learned into `folder` (safetensors, LightGBM text or JSON)."""

    @abstractmethod
    def _load_state(self, folder: Path) -> None:
        """Read what `_save_state` wrote."""

    def fit(
        self,
        X: Matrix,
        Y: Targets,
        *,
        blocks: tuple[int, ...] | None = None,
        prompts: FloatArray | None = None,
        groups: IntArray | None = None,
    ) -> Self:
        """Learn from `X` of shape (n, d), finite, and `Y` of shape (n, k), 0, 1 or 255: unknown.

        `blocks` are the widths of the parts of a row (one block of all columns unless given);
        `prompts`, (k, d), and `groups`, (n,), are those of `mmfeat.types.Fused`: a head that
        `uses_prompts` needs the prompts, and one that holds rows out keeps groups whole. A class
        without positives, or with only positives, is predicted at its constant rate. Raises
        `ConfigError` for an option of a wrong type or value, and `FitError` for arrays of other
        shapes or values, and if training fails.
        """
        x, y = checked_matrix(X), checked_targets(Y)
        self._dtype = np.asarray(Y).dtype
        kept_whole = None if groups is None else checked_groups(groups, len(x))
        fused = Fused(values=x, blocks=blocks or (x.shape[1],), prompts=prompts, groups=kept_whole)
        return self._learn(fused, y, np.arange(len(x)))

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Return probabilities of shape (n, k) in [0, 1], float32, for `X` of shape (n, d)."""
        if not self.blocks_:
            raise FitError(
                "a head must be fitted before it predicts",
                "this one is not fitted",
                "call fit first",
            )
        x = checked_matrix(X)
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
        """Return probabilities of shape (m, k) for the chosen `rows`, ascending, of `x`."""
        scores = np.empty((len(rows), len(self.rates_)), dtype=np.float32)
        for at, part in in_order(x, rows):
            scores[at] = self.predict_proba(part)
        return scores

    def fit_folds(
        self, fused: Fused[Matrix], y: Targets, splits: Sequence[IntArray]
    ) -> Iterator[Self]:
        """Yield one fitted copy of this head per entry of `splits` (the rows to train on).

        A head that can share work between the folds overrides this.
        """
        for rows in splits:
            yield replace(self)._learn(fused, y, rows)

    def fit_folds_and_refit(
        self, fused: Fused[Matrix], y: Targets, splits: Sequence[IntArray], refit: Self
    ) -> Iterator[Self]:
        """Like `fit_folds`, then yield `refit`, which `ahead` gave, fitted on all rows."""
        yield from self.fit_folds(fused, y, splits)
        yield refit._learn(fused, y, np.arange(len(y)))

    def ahead(self, splits: Sequence[IntArray]) -> Self | None:
        """What `for_refit` returns, where that is known before the folds are fitted."""
        return None

    def for_refit(self, folds: Sequence[Self]) -> Self:
        """Return an unfitted copy with what the folds found, to be fitted on all rows."""
        return replace(self)

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
            if fused.prompts is None:
                raise FitError(
                    f"the head {self.name} compares rows with prompts of the labels",
                    "none were given",
                    "pass prompts to fit",
                )
            self.prompts_ = fused.prompts
        if self.learnable_.any():
            self._fit(fused, y[:, self.learnable_], rows)
        return self

    def _describe(self, fused: Fused[Matrix], y: Targets, rows: IntArray) -> None:
        self.check()
        x, blocks = fused.values, fused.blocks
        if not (y.size and x.shape[1] and rows.size) or len(x) != len(y):
            raise FitError(
                "a head needs rows of features (n, d) and targets (n, k), none of them empty",
                f"features have shape {x.shape}, targets {y.shape}",
                "check the table and its label column",
            )
        if sum(blocks) != x.shape[1]:
            raise FitError(
                "blocks must be the widths of the parts of the features",
                f"{blocks} do not sum to {x.shape[1]}",
                "use the blocks that mmfeat.fit.fusion.fuse.fuse returns",
            )
        self.blocks_, self.rates_ = tuple(blocks), rates(y[rows])
        self.rounds_, self.history_ = None, {}

    def save(self, folder: Path) -> None:
        """Write the head into `folder`: what it learned, then `head.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.learnable_.any():
            try:
                self._save_state(folder)
            except SafetensorError as error:  # what safetensors makes of a full disk
                raise OSError(errno.EIO, str(error), str(folder)) from error
            for path in folder.glob("*.safetensors"):
                share_as_folder(path)
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
        document = read_json(folder / "head.json")
        options: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in document["options"].items()
        }
        head = cls(**options)
        head.check()
        learned = document["learned"]
        head.rounds_, head.blocks_ = learned["rounds"], _checked_blocks(learned["blocks"])
        head.rates_, head.history_ = np.array(learned["rates"]), learned.get("history", {})
        if head.learnable_.any():
            head._load_state(folder)
        head._check_loaded()
        return head

    def _check_loaded(self) -> None:
        """Raise `ValueError` where what was read does not fit together, found by a row of zeros."""
        try:
            self.predict_proba(np.zeros((1, sum(self.blocks_)), np.float32))
        except (RuntimeError, IndexError, AttributeError) as error:
            raise ValueError(f"its parts do not fit together: {error}") from error

    @classmethod
    def from_settings(cls, settings: dict[str, str], *, seed: int, **given: Any) -> Self:
        """Build the head from `--set` texts; raise `ConfigError` for a wrong key or value."""
        known = {k: v for k, v in options_of(cls).items() if k not in ("seed", *given)}
        options: dict[str, Any] = {}
        for key, text in settings.items():
            if key not in known:
                raise ConfigError(
                    f"the head {cls.name} takes {', '.join(sorted(known)) or 'no option'}",
                    f"{key!r} is not one of them",
                    did_you_mean(key, known, f"see `mmfeat list heads {cls.name}`"),
                )
            options[key] = parse_option(key, text, known[key].type)
        check_none_is_ignored(options, cls.ignored)
        head = cls(seed=seed, **options, **given)
        head.check()
        return head

    def check(self) -> None:
        """Raise `ConfigError` for options of a wrong type or value, or that exclude each other."""
        check_options(self)


def _checked_blocks(blocks: list[int]) -> tuple[int, ...]:
    """The widths of the parts of a row, checked before anything is made of that size."""
    if not 0 < len(blocks) <= MOST_BLOCKS or min(blocks) < 1 or sum(blocks) > WIDEST:
        raise ValueError(
            f"a row has {len(blocks):,} parts of {sum(blocks):,} numbers; {MOST_BLOCKS:,} parts of"
            f" {WIDEST:,} numbers are allowed"
        )
    return tuple(blocks)
