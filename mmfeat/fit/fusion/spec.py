"""What a fusion is: where modalities meet, what it needs, and the function that joins them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from mmfeat.fit.fusion.rows import ModalityRows
from mmfeat.types import FloatArray, Fused


@dataclass(frozen=True, kw_only=True)
class FeatureFusion:
    """Modalities meet in the features: one matrix for a head.

    Attributes
    ----------
    function
        Reads the modalities and returns their matrix, float32 and finite.
    modalities
        Those that it uses; None: every modality of the features, at least two.
    most
        The largest number of modalities that `function` can join; None where any number can.
    prompts
        Whether its rows lie in the space of the encoder, where they can be compared with the
        prompts of labels, block by block.
    """

    kind: ClassVar[Literal["feature"]] = "feature"
    summary: str
    function: Callable[[ModalityRows], Fused[FloatArray]]
    modalities: tuple[str, ...] | None = None
    most: int | None = None
    prompts: bool = False


@dataclass(frozen=True, kw_only=True)
class LearnedFusion:
    """Modalities meet in a learned layer of a torch head, which gets them side by side.

    Attributes
    ----------
    module
        The layer's name in `mmfeat.fit.heads.torch.fusing.MODULES`.
    modalities, most
        As in `FeatureFusion`.
    """

    kind: ClassVar[Literal["learned"]] = "learned"
    summary: str
    module: str
    modalities: tuple[str, ...] | None = None
    most: int | None = None
    prompts: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class MetaLearner:
    """The head that learns from other heads' scores, and its default settings."""

    head: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LateFusion:
    """Modalities meet in the scores of several heads.

    Attributes
    ----------
    sources
        The feature fusions that have a head each.
    optional
        Those that have one, too, where the features have their modalities.
    function
        Joins the sources' probabilities, each (n, k), to the inputs of the meta-learner, (n, m).
    meta_learner
        Learns from these inputs; None where they are the probabilities themselves.
    """

    kind: ClassVar[Literal["late"]] = "late"
    summary: str
    sources: tuple[str, ...]
    function: Callable[[Sequence[FloatArray]], FloatArray]
    meta_learner: MetaLearner | None
    optional: tuple[str, ...] = ()

    @property
    def possible(self) -> tuple[str, ...]:
        """All sources, in the order in which their scores are joined."""
        return (*self.sources, *self.optional)


MatrixFusion = FeatureFusion | LearnedFusion
Fusion = MatrixFusion | LateFusion
