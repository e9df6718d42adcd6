"""A licence is told where its publisher was read, and nowhere else."""

from __future__ import annotations

import pytest

from mmfeat.export.licences import licence_of

HUB = "https://huggingface.co"


@pytest.mark.parametrize(
    ("where", "licence"),
    [
        ("the package mmfeat", "MIT"),
        (
            f"{HUB}/laion/CLIP-ViT-B-32-laion2B-s34B-b79K (tag laion2b_s34b_b79k of open_clip)",
            "MIT",
        ),
        (
            f"{HUB}/timm/vit_base_patch32_clip_224.laion400m_e32 (tag laion400m_e32 of open_clip)",
            "MIT",
        ),
        (f"{HUB}/timm/vit_base_patch32_clip_224.openai (tag openai of open_clip)", "not stated"),
        (f"{HUB}/timm/x.metaclip_400m (tag metaclip_400m of open_clip)", "CC BY-NC"),
        (f"{HUB}/timm/eva_giant.laion400m (tag laion400m_s11b_b41k of open_clip)", None),
        (f"{HUB}/timm/ViT-B-16-SigLIP (tag webli of open_clip)", None),
        ("a local file, weights.pt", None),
        ("drawn at random from a fixed seed", None),
    ],
)
def test_licences_are_those_that_were_read(where: str, licence: str | None) -> None:
    found = licence_of(where)
    assert found is None if licence is None else found is not None and found.startswith(licence)
