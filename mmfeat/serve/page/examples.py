"""Rows to try on the page: scenes drawn by code, or a caption that names a label."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from mmfeat.demo.captions import describe
from mmfeat.demo.scenes import draw_scene, make_scene
from mmfeat.extract.encoders.load import DEMO
from mmfeat.serve.answers.answering import Answering

N_EXAMPLES = 3
QUALITY = 80


@dataclass(frozen=True, kw_only=True)
class Example:
    """A caption, a picture as the bytes of a JPEG, or both."""

    picture: bytes | None
    caption: str


def make_examples(answering: Answering) -> list[Example]:
    """Draw a few rows that suit a model; none where it takes embeddings."""
    if answering.encoder is None:
        return []
    takes_image, takes_text = ("image" in answering.takes, "text" in answering.takes)
    knows_scenes = answering.encoder.encoder.provenance["name"] == DEMO
    labels = answering.predictor.labels
    made = []
    for number in range(N_EXAMPLES):
        rng = np.random.default_rng(number)
        scene = make_scene(rng, sides=(220, 300))
        is_shown = takes_image and (knows_scenes or number == 0)
        content = io.BytesIO()
        draw_scene(scene, rng).save(content, "JPEG", quality=QUALITY)
        named = f"a photo of {labels[number * len(labels) // N_EXAMPLES]}"
        made.append(
            Example(
                picture=content.getvalue() if is_shown else None,
                caption=(describe(scene, rng) if knows_scenes else named) if takes_text else "",
            )
        )
    return [example for example in made if example.picture or example.caption]
