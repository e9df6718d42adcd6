"""`tiny-demo`: the small CLIP that comes with the package, for demonstrations and tests.

Its towers and its tokenizer are those of open_clip, trained on made-up scenes by
`mmfeat.demo.pretrain`. It is useless for real images.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from mmfeat.core.files import file_sha256
from mmfeat.extract.encoders.base import Preprocessing
from mmfeat.extract.encoders.clip import ClipEncoder
from mmfeat.extract.encoders.families.open_clip_tokens import SimpleTokenizer
from mmfeat.extract.encoders.families.tiny_towers import CONTEXT_LENGTH, IMAGE_SIZE, TinyCLIP
from mmfeat.extract.encoders.precision import choose_device, choose_precision
from mmfeat.extract.encoders.weights.tensors import put_weights, random_weights, state_sha256

WEIGHTS = Path(__file__).with_name("tiny_demo.safetensors")
TOKEN_TABLE = "token_embedding.weight"
PREPROCESSING = Preprocessing(
    size=(IMAGE_SIZE, IMAGE_SIZE), resize_mode="squash", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
log = logging.getLogger(__name__)


def build() -> TinyCLIP:
    """Build the architecture with random weights."""
    return TinyCLIP(vocab_size=tokenizer().vocab_size)


def tokenizer() -> Any:
    """Return open_clip's tokenizer at the context length of this encoder."""
    return SimpleTokenizer(context_length=CONTEXT_LENGTH)


def save_weights(model: TinyCLIP, touched: torch.Tensor, path: Path) -> None:
    """Write the weights in float16; of the token table only the `touched` rows, (vocab,) bool."""
    state = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    table = state.pop(TOKEN_TABLE)
    tensors = {
        name: value.half() if value.is_floating_point() else value for name, value in state.items()
    }
    tensors["token_embedding.ids"] = touched.nonzero().squeeze(1).to(torch.int32)
    tensors["token_embedding.rows"] = table[touched].half()
    save_file(tensors, path)


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """Read weights that `save_weights` wrote; untouched rows of the token table are zero."""
    tensors = load_file(path)
    rows = tensors.pop("token_embedding.rows").float()
    ids = tensors.pop("token_embedding.ids").long()
    table = torch.zeros(SimpleTokenizer().vocab_size, rows.shape[1])
    table[ids] = rows
    state = {
        name: value.float() if value.is_floating_point() else value
        for name, value in tensors.items()
    }
    return {**state, TOKEN_TABLE: table}


def load(model: str, *, pretrained: str, precision: str, device: str) -> ClipEncoder:
    """Load the bundled encoder; `pretrained` is ``random``, or anything else for its weights."""
    log.warning("%s is for demonstrations: it was trained on synthetic scenes only", model)
    place = choose_device(device)
    if pretrained == "random":
        with random_weights():
            clip = build()
        sha256 = state_sha256(clip)
    else:
        clip = build()
        put_weights(clip, load_state(WEIGHTS), str(WEIGHTS))
        sha256 = file_sha256(WEIGHTS)
    return ClipEncoder(
        clip,
        text_tower=clip,
        tokenizer=tokenizer(),
        preprocessing=PREPROCESSING,
        origin={"name": model, "weights_sha256": sha256},
        precision=choose_precision(precision, place),
        device=place,
    )
