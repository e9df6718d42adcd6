"""The settings of a model, as `--set` gives them: its own, every head's, and one source's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmfeat.core.checks import check_choice
from mmfeat.fit.heads.options import Option, option, options_of, parse_option
from mmfeat.fit.stacking.stacker import DECISIONS

FINALS = ("refit", "average")
GIVEN = ("seed", "loss", "learned_fusion")  # options of heads by --seed, --loss and --fusion


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Settings, grouped by what they apply to.

    Attributes
    ----------
    normalise
        Whether embeddings are scaled to length 1 before they are fused.
    in_sample
        Whether the meta-learner learns from scores of rows that the heads learned from, as in
        Guo 2024; None if it is not set.
    decision
        What joins the scores of a late fusion, see `mmfeat.fit.stacking.stacker`; None: chosen, or
        the full meta-learner where it learns in sample.
    final
        ``refit``: the final model is one of all rows, trained for as long as the folds found.
        ``average``: it is the mean of the folds' models.
    shared
        For every head.
    by_source
        For the head of one source, or of the meta-learner (``decision``).
    """

    normalise: bool = option(True, "scale embeddings to unit length before they are fused")
    in_sample: bool | None = option(
        None,
        "fit the meta-learner of a late fusion on in-sample instead of out-of-fold scores;"
        " None takes the default of the fusion",
    )
    decision: str | None = option(
        None,
        "what joins the scores of a late fusion: the meta-learner of the fusion (full), one that"
        " sees of each class its own scores, their mean, or the best of these by held-out log-loss"
        " (chosen); None is chosen, and full with in_sample",
        choices=DECISIONS,
    )
    final: str = option(
        "refit",
        "final model: refitted on all rows, or the average of the models of the folds",
        choices=FINALS,
    )
    shared: dict[str, str]
    by_source: dict[str, dict[str, str]]

    @classmethod
    def parse(cls, settings: Mapping[str, str]) -> ModelSettings:
        """Split ``key=value`` settings; raise `ConfigError` for a value of the wrong type.

        `normalise`, `in_sample`, `decision` and `final` are the model's, ``SOURCE.KEY`` is one
        source's, all others are every head's.
        """
        own: dict[str, str] = {}
        shared: dict[str, str] = {}
        by_source: dict[str, dict[str, str]] = {}
        for key, value in settings.items():
            source, dot, rest = key.rpartition(".")
            if dot:
                by_source.setdefault(source, {})[rest] = value
            elif key in ("normalise", "in_sample", "decision", "final"):
                own[key] = value
            else:
                shared[key] = value
        final = own.get("final", cls.final)
        check_choice("final", final, FINALS)
        in_sample, decision = own.get("in_sample"), own.get("decision")
        if decision is not None:
            check_choice("decision", decision, DECISIONS)
        return cls(
            normalise=parse_option("normalise", own.get("normalise", "true"), bool),
            in_sample=None if in_sample is None else parse_option("in_sample", in_sample, bool),
            decision=decision,
            final=final,
            shared=shared,
            by_source=by_source,
        )


def model_options() -> tuple[Option, ...]:
    """The options that every head's model takes besides those of the head."""
    return tuple(known for known in options_of(ModelSettings).values() if known.rule.help)


def head_options(head: type) -> tuple[Option, ...]:
    """The options of a head's class that `--set` gives."""
    return tuple(known for name, known in options_of(head).items() if name not in GIVEN)
