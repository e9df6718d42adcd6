"""The stacker of a late fusion: what joins the scores of its heads.

The sources of a late fusion, how their scores become inputs, and the full meta-learner are declared
in `mmfeat.fit.fusion.FUSIONS`.

1. Two meta-learners are fitted: the full one, which sees the scores of all classes, and
   `OwnClass`, which decides each class by its own scores.
2. The first, the second, or the mean of both is what predicts: the one with the least log-loss on
   rows that neither has seen. The choice for a fold is made on the other folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from mmfeat.core.files import read_json, write_json
from mmfeat.core.plugins import resolve
from mmfeat.errors import ConfigError
from mmfeat.fit.fusion import LateFusion
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.base import Head
from mmfeat.fit.stacking.own_class import OwnClass
from mmfeat.metrics.known import of_known
from mmfeat.metrics.probability import cell_log_loss
from mmfeat.types import Float64Array, FloatArray, IntArray, Targets

FILE = "stacker.json"  # stackers of earlier versions have none, and consist of their full head
FULL, OWN_CLASS, CHOSEN = "full", "own-class", "chosen"
# What may predict, and the meta-learners whose mean it is.
WAYS = {OWN_CLASS: (OWN_CLASS,), FULL: (FULL,), "mean": (OWN_CLASS, FULL)}
DECISIONS = (*WAYS, CHOSEN)


class Stacker:
    """Combines the scores of several heads; fitted on scores of rows that they never saw.

    `decision` is one of `DECISIONS`. `meta_learners` are those of the ways, by name; none where
    the fusion's function gives the probabilities themselves.
    """

    def __init__(
        self, fusion: LateFusion, meta_learners: Mapping[str, Head], *, decision: str
    ) -> None:
        self.fusion, self.decision = fusion, decision
        self.meta_learners = dict(meta_learners)

    @classmethod
    def build(
        cls,
        fusion: LateFusion,
        *,
        settings: Mapping[str, str],
        seed: int,
        loss: str,
        decision: str = CHOSEN,
    ) -> Self:
        """Make the stacker of `fusion`; `settings` are those of its full meta-learner.

        Raises `ConfigError` for a wrong setting, and for any where there is no such meta-learner.
        """
        spec = fusion.meta_learner
        if settings and (spec is None or decision == OWN_CLASS):
            what = fusion.summary if spec is None else f"decision {OWN_CLASS}"
            raise ConfigError(
                "settings `decision.KEY` are those of a late fusion's full meta-learner",
                f"the {what} has none, and decision.{next(iter(settings))} is set",
                "remove that setting, or choose another fusion or decision",
            )
        if spec is None:
            return cls(fusion, {}, decision=decision)
        plugin = resolve(spec.head, HEADS, "head")
        given = {"loss": loss} if plugin.uses_loss else {}
        full = plugin.from_settings({**spec.settings, **settings}, seed=seed, **given)
        return cls(fusion, {OWN_CLASS: OwnClass(seed=seed), FULL: full}, decision=decision)

    @property
    def used(self) -> dict[str, Head]:
        """The meta-learners that predict, or that may until a choice is made."""
        names = WAYS.get(self.decision, (OWN_CLASS, FULL))
        return {name: head for name, head in self.meta_learners.items() if name in names}

    @property
    def uses_loss(self) -> bool:
        """Whether the loss changes a meta-learner."""
        return any(head.uses_loss for head in self.used.values())

    def fit(
        self, scores: Mapping[str, FloatArray], y: Targets, *, groups: IntArray | None = None
    ) -> Self:
        """Learn from each source's probabilities and the targets, (n, k) both; see `Head.fit`."""
        for name, head in self.used.items():
            x, blocks = self._inputs(name, scores)
            self.meta_learners[name] = replace(head).fit(x, y, blocks=blocks, groups=groups)
        return self

    def predict(self, scores: Mapping[str, FloatArray]) -> FloatArray:
        """Return probabilities of shape (n, k) from each source's, once a choice is made."""
        if not self.meta_learners:
            return self._inputs(FULL, scores)[0]
        return _mean(self._answers(scores), WAYS[self.decision])

    def costs(self, scores: Mapping[str, FloatArray], y: Targets) -> Float64Array:
        """The summed log-loss of each of `WAYS`, (ways,), on rows with the targets `y`, (n, k).

        Zeros where there is nothing to choose.
        """
        if self.decision != CHOSEN or not self.meta_learners:
            return np.zeros(len(WAYS))
        answers = self._answers(scores)
        losses = [cell_log_loss(*of_known(_mean(answers, way), y)).sum() for way in WAYS.values()]
        return np.array(losses)

    def choose(self, costs: Float64Array) -> Self:
        """This stacker with the way of least `costs`, (ways,), where the choice is open."""
        if self.decision != CHOSEN:
            return self
        return self._with(self.meta_learners, decision=tuple(WAYS)[int(costs.argmin())])

    def copy(self) -> Self:
        """The same stacker, not fitted."""
        return self._with({name: replace(head) for name, head in self.meta_learners.items()})

    def for_refit(self, folds: Sequence[Self]) -> Self:
        """This stacker with the results of the folds, e.g. the number of epochs."""
        refit = {
            name: head.for_refit([fold.meta_learners[name] for fold in folds])
            for name, head in self.used.items()
        }
        return self._with({**self.meta_learners, **refit})

    def save(self, folder: Path) -> None:
        """Write the meta-learners that predict, where there are any, into `folder`."""
        for name, head in self.used.items():
            head.save(folder / name)
        if self.used:
            write_json(folder / FILE, {"decision": self.decision})

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote; raise `ValueError` for an unknown decision."""
        if not self.meta_learners:
            return self.copy()
        decision, places = FULL, {FULL: folder}
        if (folder / FILE).exists():
            decision = read_json(folder / FILE)["decision"]
            if decision not in WAYS:
                raise ValueError(f"{FILE} has the decision {decision!r}")
            places = {name: folder / name for name in WAYS[decision]}
        read = {name: type(self.meta_learners[name]).load(at) for name, at in places.items()}
        return self._with({**self.meta_learners, **read}, decision=decision)

    def _with(self, meta_learners: Mapping[str, Head], *, decision: str | None = None) -> Self:
        return type(self)(self.fusion, meta_learners, decision=decision or self.decision)

    def _inputs(
        self, name: str, scores: Mapping[str, FloatArray]
    ) -> tuple[FloatArray, tuple[int, ...]]:
        """What a meta-learner sees, (n, m), and the widths of its blocks."""
        parts = [scores[source] for source in self.fusion.possible if source in scores]
        if name == OWN_CLASS:
            return np.hstack(parts), tuple(part.shape[1] for part in parts)
        joined = self.fusion.function(parts)
        return joined, (joined.shape[1],)

    def _answers(self, scores: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return {
            name: head.predict_proba(self._inputs(name, scores)[0])
            for name, head in self.used.items()
        }


def _mean(answers: Mapping[str, FloatArray], names: Sequence[str]) -> FloatArray:
    mean: FloatArray = np.mean([answers[name] for name in names], axis=0, dtype=np.float32)
    return mean
