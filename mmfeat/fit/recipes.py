"""Recipes: a head, a fusion, a loss and settings under one name."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What `--recipe NAME` stands for; single settings can still be changed by `--set`."""

    summary: str
    head: str
    fusion: str
    loss: str
    settings: dict[str, str] = field(default_factory=dict)


# Guo 2024, arXiv:2406.16141: full batch, 300 epochs, weight decay on matrices, one fixed rate.
GUO = {
    "preset": "guo-unimodal",
    "concat.preset": "guo-concat",
    "epochs": "300",
    "patience": "0",
    "batch": "0",
    "lr": "1e-3",
    "decay": "2e-4",
    "schedule": "constant",
    "decision.epochs": "300",
    "decision.patience": "0",
    "decision.batch": "0",
    "decision.decay": "2e-4",
    "decision.schedule": "constant",
}

RECIPES: dict[str, Recipe] = {
    "guo2024": Recipe(
        summary="best setting of Guo 2024: MLPs, mixed fusion, focal loss, in-sample meta-learner",
        head="mlp",
        fusion="mixed",
        loss="focal",
        settings={**GUO, "in_sample": "true"},
    ),
    "guo2024-oof": Recipe(
        summary="guo2024 with a meta-learner fitted on out-of-fold scores",
        head="mlp",
        fusion="mixed",
        loss="focal",
        settings={**GUO, "decision": "full"},
    ),
    "guo2024-image": Recipe(
        summary="image-only ablation of Guo 2024: one hidden layer, 200 epochs",
        head="mlp",
        fusion="image",
        loss="bce",
        settings={
            **{key: value for key, value in GUO.items() if "." not in key},
            "preset": "guo-ablation",
            "epochs": "200",
        },
    ),
}
