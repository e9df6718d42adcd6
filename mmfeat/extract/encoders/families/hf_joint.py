"""Models of transformers that read a picture and a caption together: one vector of both, by type.

ViLT as it is shipped draws the order of patches at random, and which ones it leaves out, also
where nothing is trained. Here a batch has pictures of one shape, and all of their patches are given
to it in order; all else is its own code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import interpolate

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.joint import Vectors

# The states (b, t, d) of all tokens and patches, which of them are there (b, t), and what the
# model makes of them itself (b, d) -> one vector (b, d).
POOLS: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "pooler": lambda _states, _there, pooled: pooled,
    "first": lambda states, _there, _pooled: states[:, 0],
    "mean": lambda states, there, _pooled: _mean(states, there),
}


@dataclass(frozen=True, kw_only=True)
class JointModel:
    """A type of model.

    Attributes
    ----------
    vectors
        Makes the vectors of a loaded model, by one of `pools`.
    pools
        Ways to make one vector of a pair; the first is the default.
    heads
        How tensors begin that only other uses of the model need; they may be in its file.
    """

    vectors: Callable[[Any, str], Vectors]
    pools: tuple[str, ...]
    heads: tuple[str, ...] = ()

    def choose_pool(self, asked: str, *, model: str) -> str:
        """The pool that is meant; raise `EncoderError` for one that the model lacks."""
        if asked == "auto":
            return self.pools[0]
        if asked not in self.pools:
            raise EncoderError(
                f"--joint-pool of a model of the type {model} is one of {', '.join(self.pools)}",
                f"{asked!r} is not",
                "leave it out",
            )
        return asked


def _vilt(model: Any, pool: str) -> Vectors:
    def vectors(pictures: torch.Tensor, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        patches = vilt_patches(model.embeddings, pictures)
        mask = torch.ones(patches.shape[:2], dtype=torch.long, device=patches.device)
        found = model(**inputs, image_embeds=patches, pixel_mask=mask)
        there = torch.cat([inputs["attention_mask"], mask], dim=1)
        return POOLS[pool](found.last_hidden_state, there, found.pooler_output)

    return vectors


def _bridgetower(model: Any, pool: str) -> Vectors:
    del pool  # it has one
    return lambda pictures, inputs: model(pixel_values=pictures, **inputs).pooler_output


def _flava(model: Any, pool: str) -> Vectors:
    def vectors(pictures: torch.Tensor, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        found = model(pixel_values=pictures, **inputs).multimodal_output
        states, captions = found.last_hidden_state, inputs["attention_mask"]
        n_before = states.shape[1] - captions.shape[1]  # its first token, and patches
        there = torch.cat([captions.new_ones(len(captions), n_before), captions], dim=1)
        return POOLS[pool](states, there, found.pooler_output)

    return vectors


def _blip(model: Any, pool: str) -> Vectors:
    """As `BlipModel.get_multimodal_features`, which makes a mask on another device."""
    del pool  # it has one

    def vectors(pictures: torch.Tensor, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        patches = model.vision_model(pixel_values=pictures).last_hidden_state
        mask = torch.ones(patches.shape[:2], dtype=torch.long, device=patches.device)
        found = model.text_model(
            **inputs, encoder_hidden_states=patches, encoder_attention_mask=mask
        )
        projected: torch.Tensor = model.text_projection(found.pooler_output)
        return projected

    return vectors


def vilt_patches(embeddings: Any, pictures: torch.Tensor) -> torch.Tensor:
    """The first token and all patches, (b, 1 + p, d), of pictures (b, 3, height, width), in order.

    As `ViltEmbeddings.visual_embed` makes them: positions are stretched to the picture's shape.
    """
    patches = embeddings.patch_embeddings(pictures)  # (b, d, height, width), in patches
    positions = embeddings.position_embeddings  # (1, 1 + p, d), of a square
    side = round((positions.shape[1] - 1) ** 0.5)
    square = positions[:, 1:].transpose(1, 2).unflatten(2, (side, side))
    stretched = interpolate(square, size=patches.shape[2:], mode="bilinear", align_corners=True)
    first = (embeddings.cls_token + positions[:, :1]).expand(len(pictures), -1, -1)
    return torch.cat([first, (patches + stretched).flatten(2).transpose(1, 2)], dim=1)


def _mean(states: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    weights = there[:, :, None].to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


JOINT: dict[str, JointModel] = {
    "vilt": JointModel(
        vectors=_vilt,
        pools=("pooler", "first", "mean"),
        heads=("mlm_score.", "classifier.", "rank_output."),
    ),
    "bridgetower": JointModel(
        vectors=_bridgetower,
        pools=("pooler",),
        heads=("mlm_score.", "itm_score.", "itc_", "logit_scale"),
    ),
    "flava": JointModel(
        vectors=_flava,
        pools=("first", "pooler", "mean"),
        heads=("mim_head.", "mlm_head.", "itm_head.", "mmm_", "image_codebook."),
    ),
    "blip": JointModel(vectors=_blip, pools=("pooler",)),
}
