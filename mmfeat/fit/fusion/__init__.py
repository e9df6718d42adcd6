"""Fusions: embeddings of several modalities become one matrix for a head, or scores are joined.

A fusion is one function (`matrix`, `scores`) and one entry of `FUSIONS`; nothing else refers to it.
"""

from __future__ import annotations

from mmfeat.core.plugins import check_name
from mmfeat.errors import FitError
from mmfeat.fit.fusion.matrix import (
    add,
    average,
    difference,
    maximum,
    multiply,
    side_by_side,
    side_by_side_with_product,
)
from mmfeat.fit.fusion.scores import (
    logits_side_by_side,
    mean_of_probabilities,
    sum_of_probabilities,
)
from mmfeat.fit.fusion.spec import (
    FeatureFusion,
    Fusion,
    LateFusion,
    LearnedFusion,
    MatrixFusion,
    MetaLearner,
)

__all__ = [
    "FUSIONS",
    "FeatureFusion",
    "Fusion",
    "LateFusion",
    "LearnedFusion",
    "MatrixFusion",
    "MetaLearner",
    "get_fusion",
    "get_late_fusion",
    "get_matrix_fusion",
    "possible_sources",
    "prompted_fusions",
    "sources_of",
]

# A head on a few scores per row overfits quickly: few epochs, and no more where rows are few.
MLP_OF_SCORES = MetaLearner(head="mlp", settings={"preset": "guo-decision", "epochs": "8"})
LOGREG_OF_SCORES = MetaLearner(head="logreg", settings={"C": "1.0"})

FUSIONS: dict[str, Fusion] = {
    "image": FeatureFusion(
        summary="image only", function=side_by_side, modalities=("image",), prompts=True
    ),
    "text": FeatureFusion(
        summary="caption only", function=side_by_side, modalities=("text",), prompts=True
    ),
    "joint": FeatureFusion(
        summary="one vector of image and caption together",
        function=side_by_side,
        modalities=("joint",),
    ),
    "concat": FeatureFusion(
        summary="concatenation of all modalities", function=side_by_side, prompts=True
    ),
    "sum": FeatureFusion(summary="element-wise sum of all modalities", function=add, prompts=True),
    "mean": FeatureFusion(
        summary="element-wise mean of the modalities that a row has", function=average, prompts=True
    ),
    "product": FeatureFusion(summary="element-wise product of all modalities", function=multiply),
    "max": FeatureFusion(
        summary="element-wise maximum of the modalities that a row has", function=maximum
    ),
    "absdiff": FeatureFusion(
        summary="element-wise absolute difference of two modalities",
        function=difference,
        most=2,
    ),
    "concat-product": FeatureFusion(
        summary="concatenation of all modalities and their product",
        function=side_by_side_with_product,
    ),
    "gated": LearnedFusion(
        summary="element-wise gate over two modalities (GMU, Arevalo et al. 2017)",
        module="gated",
        most=2,
    ),
    "bilinear": LearnedFusion(
        summary="product of learned projections of two modalities (Kim et al. 2017)",
        module="bilinear",
        most=2,
    ),
    "late-mean": LateFusion(
        summary="mean of the probabilities of image, text and joint",
        sources=("image", "text"),
        optional=("joint",),
        function=mean_of_probabilities,
        meta_learner=None,
    ),
    "late-sum": LateFusion(
        summary="an MLP on the sum of the probabilities of image, text and joint (Guo 2024)",
        sources=("image", "text"),
        optional=("joint",),
        function=sum_of_probabilities,
        meta_learner=MLP_OF_SCORES,
    ),
    "late-stack": LateFusion(
        summary="logistic regression on the logits of image, text and joint",
        sources=("image", "text"),
        optional=("joint",),
        function=logits_side_by_side,
        meta_learner=LOGREG_OF_SCORES,
    ),
    "mixed": LateFusion(
        summary="late-sum with the probabilities of concat added (Guo 2024)",
        sources=("image", "text", "concat"),
        optional=("joint",),
        function=sum_of_probabilities,
        meta_learner=MLP_OF_SCORES,
    ),
}


def get_fusion(name: str) -> Fusion:
    """Return the fusion `name`; raise `PluginError` for an unknown name."""
    return FUSIONS[check_name(name, FUSIONS, "fusion")]


def get_matrix_fusion(name: str) -> MatrixFusion:
    """Return a feature or learned fusion; raise `FitError` for a late one."""
    fusion = get_fusion(name)
    if isinstance(fusion, LateFusion):
        raise FitError(
            "only feature and learned fusions make one matrix",
            f"{name} joins the scores of several heads",
            f"fuse its sources {', '.join(fusion.sources)} one by one",
        )
    return fusion


def get_late_fusion(name: str) -> LateFusion:
    """Return a late fusion; raise `FitError` for another kind."""
    fusion = get_fusion(name)
    if not isinstance(fusion, LateFusion):
        raise FitError(
            "only late fusions join the scores of several heads",
            f"{name} is a {fusion.kind} fusion",
            "fit one head on it",
        )
    return fusion


def sources_of(name: str) -> tuple[str, ...]:
    """Return the fusions that have a head each: the sources of a late fusion, else itself."""
    fusion = get_fusion(name)
    return fusion.sources if isinstance(fusion, LateFusion) else (name,)


def possible_sources(name: str) -> tuple[str, ...]:
    """Return `sources_of`, and those that a late fusion has where the features have them."""
    fusion = get_fusion(name)
    return fusion.possible if isinstance(fusion, LateFusion) else (name,)


def prompted_fusions() -> tuple[str, ...]:
    """Name the fusions whose rows can be compared with the prompts of labels."""
    return tuple(
        name
        for name, fusion in FUSIONS.items()
        if isinstance(fusion, FeatureFusion) and fusion.prompts
    )
