"""Rows become answers: encoded together, scored together, and each told on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mmfeat.config import ExtractSettings
from mmfeat.errors import RunError
from mmfeat.export.one_row import ScoredLabel, rank_labels
from mmfeat.export.predictor import Predictor
from mmfeat.export.rows import RowEncoder
from mmfeat.extract.encoders.base import CAPTION, PICTURE, takes
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.read import Decoded
from mmfeat.predict.encoder import is_encoded, weights_of
from mmfeat.runs.run import Run
from mmfeat.serve.answers.alone import score_alone
from mmfeat.serve.refusal import invalid
from mmfeat.store.layout import Status
from mmfeat.types import Embeddings, FloatArray, Targets

NO_PICTURE = Refusal(Status.MISSING, "there is none")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a request, decoded.

    Attributes
    ----------
    picture
        The pixels, or a `Refusal` where there is no picture.
    caption
        "" where there is none.
    embeddings
        Vectors (d,) by modality, where the service takes embeddings.
    top
        The number of labels that are told besides the predicted ones.
    alone
        Whether each modality is asked for its own scores.
    """

    picture: Decoded
    caption: str = ""
    embeddings: Mapping[str, FloatArray] | None = None
    top: int
    alone: bool


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What is said of a row; `alone` holds probabilities (k,) by modality."""

    labels: list[ScoredLabel]
    alone: dict[str, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Answering:
    """A predictor that answers rows; used by one thread at a time.

    Attributes
    ----------
    predictor
        Loaded.
    encoder
        None where rows are embeddings.
    empty, decode
        As in `Decision.decide`.
    """

    predictor: Predictor
    encoder: RowEncoder | None
    empty: str
    decode: str | None

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that the model looks at."""
        return self.predictor.modalities

    @cached_property
    def widths(self) -> dict[str, int]:
        """The length of the vectors of each modality, where rows are embeddings."""
        if self.encoder is not None:
            return {}
        imported: dict[str, tuple[int, str]] = self._store["encoder"].get("imported", {})
        found = {name: imported[name][0] for name in self.modalities if name in imported}
        if len(found) < len(self.modalities):
            raise RunError(
                "a service needs one encoder, or the widths of imported embeddings",
                f"{self.predictor.run.name} looks at {' and '.join(self.modalities)}",
                "use `mmfeat predict --split`",
            )
        return found

    @property
    def takes(self) -> tuple[str, ...]:
        """What rows are made of: the modalities, or image and text where both make one vector."""
        if self.encoder is None:
            return self.modalities
        inputs = (("image", PICTURE), ("text", CAPTION))
        return tuple(name for name, part in inputs if takes(part, self.modalities))

    @property
    def _store(self) -> dict[str, Any]:
        stores: list[dict[str, Any]] = self.predictor.run.provenance["stores"]
        if len(stores) > 1:
            raise RunError(
                "a service answers rows of one feature set",
                f"{self.predictor.run.name} joins several",
                "use `mmfeat predict --split`",
            )
        return stores[0]

    def answer(self, rows: Sequence[Row]) -> list[Answered]:
        """Answer rows of one or many requests, in their order.

        Raises `RequestError` for a picture whose embedding is not finite.
        """
        embeddings = self._embed(rows)
        scores = self.predictor.score(embeddings)
        chosen = self.predictor.decision.decide(scores, empty=self.empty, decode=self.decode)
        asked = [at for at, row in enumerate(rows) if row.alone]
        alone = self._alone({name: (parts[0][asked],) for name, parts in embeddings.items()})
        own = {at: {name: alone[name][i] for name in alone} for i, at in enumerate(asked)}
        return [
            self._tell(row, scores[at], chosen[at], own.get(at, {})) for at, row in enumerate(rows)
        ]

    def sample(self) -> Row:
        """A row to begin with: it loads what is loaded late, and shows what does not work."""
        how: Any = {"top": 1, "alone": True}
        if self.encoder is None:
            zeros = {name: np.zeros(width, np.float32) for name, width in self.widths.items()}
            return Row(picture=NO_PICTURE, embeddings=zeros, **how)
        grey = np.full((32, 32, 3), 128, np.uint8)
        return Row(picture=self.encoder.decode(grey), caption="a photo", **how)

    def _embed(self, rows: Sequence[Row]) -> dict[str, tuple[Embeddings, ...]]:
        if self.encoder is None:
            missing = {
                name: np.full(width, np.nan, np.float32) for name, width in self.widths.items()
            }
            given = [{**missing, **(row.embeddings or {})} for row in rows]
            return {name: (np.stack([row[name] for row in given]),) for name in missing}
        captions = [row.caption for row in rows]
        block = self.encoder.encode_decoded(iter([row.picture for row in rows]), captions)
        for failed in block.failed:
            if failed.status not in (Status.MISSING, Status.EMPTY):
                raise invalid(
                    f"the {failed.modality} must have an embedding",
                    f"row {failed.row}: {failed.reason}",
                    "give another one",
                )
        return {name: (block.embeddings[name],) for name in self.encoder.modalities}

    def _alone(self, embeddings: dict[str, tuple[Embeddings, ...]]) -> dict[str, FloatArray]:
        if len(self.modalities) < 2 or not len(next(iter(embeddings.values()))[0]):
            return {}
        return {
            name: score_alone(self.predictor, embeddings, modality=name) for name in self.modalities
        }

    def _tell(
        self, row: Row, scores: FloatArray, chosen: Targets, alone: Mapping[str, FloatArray]
    ) -> Answered:
        labels = rank_labels(self.predictor, scores, chosen, most=row.top, decode=self.decode)
        place = {label: at for at, label in enumerate(self.predictor.labels)}
        return Answered(
            labels=labels,
            alone={
                name: {told.label: float(values[place[told.label]]) for told in labels}
                for name, values in alone.items()
                if not np.isnan(values).any()
            },
        )


def load_answering(
    run: Run,
    *,
    objective: str | None = None,
    pretrained: str | None = None,
    settings: ExtractSettings | None = None,
    device: str = "auto",
    decode: str | None = None,
    empty: str = "blank",
    max_pixels: int = ExtractSettings.max_pixels,
) -> Answering:
    """Load a bundle or a run with its encoder; raises what `Predictor` raises."""
    weights = weights_of(run, pretrained, settings=settings) if is_encoded(run) else None
    model = Predictor.of(run, objective=objective, pretrained=weights, device=device)
    encoder = None if weights is None else replace(model.encoder, max_pixels=max_pixels)
    made = Answering(predictor=model, encoder=encoder, decode=decode, empty=empty)
    made.answer([made.sample()])
    return made
