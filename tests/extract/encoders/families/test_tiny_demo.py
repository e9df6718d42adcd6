"""The bundled encoder is open_clip's model to the bit, and loads without it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from open_clip import CLIP

from mmfeat.extract.encoders.families.tiny_demo import WEIGHTS, build, load_state, tokenizer
from mmfeat.extract.encoders.weights.tensors import put_weights, random_weights
from tests.support.stage_one.toy import ODD_CAPTIONS


def build_by_open_clip() -> CLIP:
    return CLIP(
        embed_dim=128,
        vision_cfg={"image_size": 64, "layers": (1, 1, 1, 1), "width": 24, "head_width": 32},
        text_cfg={"context_length": 40, "width": 128, "heads": 4, "layers": 2},
    )


@pytest.mark.parametrize("trained", [False, True])
def test_weights_and_embeddings_are_those_of_open_clip(trained: bool) -> None:
    models = []
    for make in (build, build_by_open_clip):
        with random_weights():
            model = make()
        if trained:
            put_weights(model, load_state(WEIGHTS), str(WEIGHTS))
        models.append(model.eval())
    ours, theirs = models
    wanted = theirs.state_dict()
    assert ours.state_dict().keys() == wanted.keys()
    assert all(torch.equal(value, wanted[name]) for name, value in ours.state_dict().items())
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    tokens = tokenizer()(ODD_CAPTIONS)
    with torch.inference_mode():
        assert torch.equal(ours.encode_image(pixels), theirs.encode_image(pixels))
        assert torch.equal(ours.encode_text(tokens), theirs.encode_text(tokens))


def test_it_loads_without_open_clip() -> None:
    code = """
import sys
from mmfeat.extract.encoders import load_encoder
load_encoder("tiny-demo", pretrained="", precision="auto", device="cpu").tokenize(["a red dog"])
print({"open_clip", "torchvision", "transformers", "timm"} & set(sys.modules))
import open_clip
from mmfeat.extract.encoders.families.open_clip_tokens import SimpleTokenizer
print(open_clip.SimpleTokenizer is SimpleTokenizer)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["set()", "True", ""]
