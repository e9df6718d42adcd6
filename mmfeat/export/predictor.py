"""What predicts, loaded: pictures and captions in, probabilities and label sets out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.config import AUTO, ExtractSettings
from mmfeat.core.memory import SLICE_ROWS, slices
from mmfeat.decide.decision import Decision
from mmfeat.errors import ConfigError, RunError, counted
from mmfeat.export.rows import Captions, Images, RowEncoder, is_enough, paired
from mmfeat.extract.encoders import load_encoder
from mmfeat.fit.models.model import Model, load_model, modalities_of
from mmfeat.predict.encoder import check_encoder, encoder_of, weights_of
from mmfeat.predict.new_rows import nothing_given
from mmfeat.runs.run import Run
from mmfeat.types import Embeddings, Features, FloatArray


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A bundle or a run in memory; the encoder is loaded when a picture or caption comes.

    Attributes
    ----------
    run
        The bundle or run.
    model
        Fuses features and gives probabilities.
    labels
        The names of the labels, in the order of the probabilities.
    decision
        How probabilities become label sets.
    pretrained, device
        Where the encoder's weights are, and what it runs on; see `weights_of`.

    In all methods `images` and `captions` have one entry per row, None where a row has none; a
    single picture or caption is one row, and a row that is a list has several. Pictures are paths,
    bytes of a file, pictures of Pillow or arrays of uint8. A run on imported embeddings takes
    `embeddings`, an array (n, d) for each modality that the model looks at, with NaN where a row
    has none. A missing modality counts as it did in training.
    """

    run: Run
    model: Model
    labels: tuple[str, ...]
    decision: Decision
    pretrained: str | None = None
    device: str = "auto"

    @classmethod
    def of(
        cls,
        run: Run,
        *,
        objective: str | None = None,
        pretrained: str | None = None,
        device: str = "auto",
    ) -> Predictor:
        """Load a bundle or a finished run; raise `RunError` or `FitError` where it is damaged."""
        return cls(
            run=run,
            model=load_model(run),
            labels=run.labels,
            decision=run.decision_for(objective),
            pretrained=pretrained,
            device=device,
        )

    @property
    def thresholds(self) -> dict[str, float]:
        """The threshold of each label."""
        return dict(zip(self.labels, self.decision.thresholds, strict=True))

    def predict_proba(
        self,
        images: Images = None,
        captions: Captions = None,
        *,
        embeddings: Mapping[str, Embeddings] | None = None,
    ) -> FloatArray:
        """Return probabilities (n, k), float32.

        Raises `ConfigError` for rows that do not fit together, `RunError` where no row has
        anything that the model looks at, `ExtractError` for a picture that cannot be read, and
        `EncoderError` where the encoder's weights cannot be found.
        """
        if embeddings is not None:
            if images is not None or captions is not None:
                raise ConfigError(
                    "rows are embeddings, or images and captions",
                    "both are given",
                    "leave one of them out",
                )
            return self.score(checked(embeddings, self.modalities))
        pictures, texts = paired(images, captions)
        if texts and not is_enough(pictures, texts, self.modalities):
            raise nothing_given(self.run, self.modalities, source="those given")
        scores = np.empty((len(texts), len(self.labels)), np.float32)
        for rows in slices(len(texts), size=SLICE_ROWS):
            scores[rows] = self.score(self.encoder.encode(pictures[rows], texts[rows]))
        return scores

    def predict(
        self,
        images: Images = None,
        captions: Captions = None,
        *,
        embeddings: Mapping[str, Embeddings] | None = None,
        empty: str = "blank",
    ) -> list[tuple[str, ...]]:
        """Return the label set of each row, as `Decision.decide` makes it; see `predict_proba`."""
        scores = self.predict_proba(images, captions, embeddings=embeddings)
        sets = self.decision.decide(scores, empty=empty).astype(bool)
        names = np.array(self.labels, dtype=object)
        return [tuple(names[row]) for row in sets]

    def predict_top(
        self,
        k: int,
        images: Images = None,
        captions: Captions = None,
        *,
        embeddings: Mapping[str, Embeddings] | None = None,
    ) -> list[list[tuple[str, float]]]:
        """Return the `k` most probable labels of each row, with their probabilities."""
        scores = self.predict_proba(images, captions, embeddings=embeddings)
        best = np.argsort(-scores, axis=1, kind="stable")[:, : max(k, 0)]
        return [
            [(self.labels[at], float(row[at])) for at in top]
            for row, top in zip(scores, best, strict=True)
        ]

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """Those that the model looks at."""
        return modalities_of(self.model)

    @cached_property
    def encoder(self) -> RowEncoder:
        """The encoder of what the model looks at; raise `EncoderError` or `RunError` for none."""
        fitted = encoder_of(self.run)
        stored: dict[str, Any] = self.run.provenance["stores"][0]
        encoder = load_encoder(
            fitted["name"],
            pretrained=weights_of(self.run, self.pretrained),
            precision=fitted["precision"],
            device=self.device,
            joint_pool=fitted.get("joint_pool", AUTO),
        )
        check_encoder(encoder.provenance, fitted, run=self.run.name, source="the encoder")
        return RowEncoder(
            encoder=encoder,
            modalities=self.modalities,
            dtype=stored["dtype"],
            max_pixels=ExtractSettings.max_pixels,
            fast=stored.get("decoder", {}).get("mode") == "fast",
            long_captions=fitted.get("long_captions", "cut"),
            pool=(stored.get("table") or {}).get("pool") or "mean",
        )

    def score(self, embeddings: Mapping[str, tuple[Embeddings, ...]]) -> FloatArray:
        """Return probabilities (n, k), float32, of rows as `RowEncoder.encode` gives them."""
        features = self.features(embeddings)
        n_rows = features.n_rows
        reads = {reads.features for reads in self.model.reads}
        if any(len(sets) > 1 for sets in reads):
            raise RunError(
                "rows at hand go through one encoder",
                f"{self.run.name} joins several feature sets",
                "make stores of them, and use `mmfeat predict --split`",
            )
        scores = self.model.predict_proba(dict.fromkeys(reads, features))
        if scores.shape != (n_rows, len(self.labels)):
            raise RunError(
                "a model gives a probability per label",
                f"{self.run.name} has {counted(len(self.labels), 'label')}, its model"
                f" {scores.shape[1]}",
                "export it again",
            )
        return scores

    def features(self, embeddings: Mapping[str, tuple[Embeddings, ...]]) -> Features:
        """Rows as models read them."""
        n_rows = len(next(iter(embeddings.values()))[0])
        return Features(
            ids=tuple(map(str, range(n_rows))),
            embeddings=embeddings,
            targets=None,
            labels=self.labels,
        )


def checked(
    embeddings: Mapping[str, NDArray[Any]], modalities: Sequence[str]
) -> dict[str, tuple[Embeddings, ...]]:
    """Embeddings of `modalities` as features hold them; raise `ConfigError` for other ones."""
    arrays = {name: np.asarray(embeddings[name]) for name in modalities if name in embeddings}
    shapes = {name: array.shape for name, array in arrays.items()}
    lengths = {shape[0] if len(shape) == 2 else None for shape in shapes.values()}
    are_numbers = all(array.dtype.kind == "f" for array in arrays.values())
    if len(arrays) < len(modalities) or len(lengths) != 1 or None in lengths or not are_numbers:
        kinds = {name: f"{array.dtype} {array.shape}" for name, array in arrays.items()}
        raise ConfigError(
            "embeddings are an array (n, d) of floating-point numbers for each modality that the"
            f" model looks at: {', '.join(modalities)}",
            f"these are {kinds or 'none'}",
            "give as many rows of each, with NaN where a row has none",
        )
    return {name: (array,) for name, array in arrays.items()}
