"""The two towers of `tiny-demo` in plain torch, because open_clip takes three seconds to load.

They are open_clip's `CLIP` with a ModifiedResNet (Radford et al. 2021, arXiv:2103.00020): weights
have the same names and are drawn in the same order, and embeddings are the same to the bit.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

EMBED_DIM = 128
IMAGE_SIZE = 64
IMAGE_WIDTH = 24
HEAD_WIDTH = 32
CONTEXT_LENGTH = 40
TEXT_WIDTH = 128
TEXT_HEADS = 4
TEXT_LAYERS = 2
LARGEST_SCALE = 1 / 0.07  # of the logits, before training


class Bottleneck(nn.Module):
    """A residual block of three convolutions (b, n_in, h, w) -> (b, 4 × width, h / stride, …)."""

    def __init__(self, n_in: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = nn.Sequential(
            nn.Conv2d(n_in, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add what the convolutions find to the input."""
        found = functional.relu(self.bn1(self.conv1(x)))
        found = functional.relu(self.bn2(self.conv2(found)))
        found = self.bn3(self.conv3(self.pool(found)))
        return functional.relu(found + self.downsample(self.pool(x)))


class AttentionPool(nn.Module):
    """Attention of the mean over all places (b, d, side, side) -> (b, dim)."""

    def __init__(self, side: int, width: int, heads: int, dim: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(side**2 + 1, width) / width**0.5)
        self.k_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, dim)
        self._heads = heads

    def forward(self, x: Tensor) -> Tensor:
        """Pool the places."""
        x = x.flatten(2).permute(2, 0, 1)  # (places, b, width)
        x = torch.cat([x.mean(dim=0, keepdim=True), x])
        x = x + self.positional_embedding[:, None, :].to(x.dtype)
        found, _ = functional.multi_head_attention_forward(
            query=x,
            key=x,
            value=x,
            embed_dim_to_check=x.shape[-1],
            num_heads=self._heads,
            q_proj_weight=self.q_proj.weight,
            k_proj_weight=self.k_proj.weight,
            v_proj_weight=self.v_proj.weight,
            in_proj_weight=None,
            in_proj_bias=torch.cat([self.q_proj.bias, self.k_proj.bias, self.v_proj.bias]),
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=self.c_proj.weight,
            out_proj_bias=self.c_proj.bias,
            use_separate_proj_weight=True,
            training=self.training,
            need_weights=False,
        )
        return found[0]


class ImageTower(nn.Module):
    """A ModifiedResNet with one block per level: (b, 3, IMAGE_SIZE, IMAGE_SIZE) -> (b, dim)."""

    def __init__(self) -> None:
        super().__init__()
        width = IMAGE_WIDTH
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.layer1 = nn.Sequential(Bottleneck(width, width, stride=1))
        self.layer2 = nn.Sequential(Bottleneck(4 * width, 2 * width, stride=2))
        self.layer3 = nn.Sequential(Bottleneck(8 * width, 4 * width, stride=2))
        self.layer4 = nn.Sequential(Bottleneck(16 * width, 8 * width, stride=2))
        heads = 32 * width // HEAD_WIDTH
        self.attnpool = pool = AttentionPool(IMAGE_SIZE // 32, 32 * width, heads, EMBED_DIM)
        for linear in (pool.q_proj, pool.k_proj, pool.v_proj, pool.c_proj):
            nn.init.normal_(linear.weight, std=pool.c_proj.in_features**-0.5)
        for name, weights in self.named_parameters():
            if name.startswith("layer") and name.endswith("bn3.weight"):
                nn.init.zeros_(weights)

    def forward(self, x: Tensor) -> Tensor:
        """Embed normalised pixels."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        x = functional.relu(self.bn3(self.conv3(x)))
        x = functional.avg_pool2d(x, 2)
        pooled: Tensor = self.attnpool(self.layer4(self.layer3(self.layer2(self.layer1(x)))))
        return pooled


class AttentionBlock(nn.Module):
    """Attention and a small network on tokens (b, length, TEXT_WIDTH), each added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(TEXT_WIDTH)
        self.attn = nn.MultiheadAttention(TEXT_WIDTH, TEXT_HEADS, batch_first=True)
        self.ln_2 = nn.LayerNorm(TEXT_WIDTH)
        self.mlp = nn.Sequential(
            OrderedDict(
                c_fc=nn.Linear(TEXT_WIDTH, 4 * TEXT_WIDTH),
                gelu=nn.GELU(),
                c_proj=nn.Linear(4 * TEXT_WIDTH, TEXT_WIDTH),
            )
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attend to the tokens that `mask` (length, length) leaves."""
        normal = self.ln_1(x)
        found, _ = self.attn(
            normal, normal, normal, need_weights=False, attn_mask=mask.to(normal.dtype)
        )
        x = x + found
        more: Tensor = self.mlp(self.ln_2(x))
        return x + more


class Transformer(nn.Module):
    """Blocks one after the other on (b, length, TEXT_WIDTH)."""

    def __init__(self) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(AttentionBlock() for _ in range(TEXT_LAYERS))

    def get_cast_dtype(self) -> torch.dtype:
        """The type in which the blocks compute."""
        return next(self.parameters()).dtype

    def forward(self, x: Tensor, attn_mask: Tensor) -> Tensor:
        """Run the blocks."""
        for block in self.resblocks:
            x = block(x, attn_mask)
        return x


class TinyCLIP(nn.Module):
    """Both towers, with random weights until others are put in."""

    attn_mask: Tensor

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.visual = ImageTower()
        self.token_embedding = nn.Embedding(vocab_size, TEXT_WIDTH)
        self.positional_embedding = nn.Parameter(torch.empty(CONTEXT_LENGTH, TEXT_WIDTH))
        self.transformer = Transformer()
        self.ln_final = nn.LayerNorm(TEXT_WIDTH)
        mask = torch.full((CONTEXT_LENGTH, CONTEXT_LENGTH), -math.inf).triu_(1)
        self.register_buffer("attn_mask", mask, persistent=False)
        self.text_projection = nn.Parameter(torch.empty(TEXT_WIDTH, EMBED_DIM))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(LARGEST_SCALE)))
        self._draw_text_tower()

    def _draw_text_tower(self) -> None:
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        std = TEXT_WIDTH**-0.5
        stds = {
            "attn.in_proj_weight": std,
            "attn.out_proj.weight": std * (2 * TEXT_LAYERS) ** -0.5,
            "mlp.c_fc.weight": (2 * TEXT_WIDTH) ** -0.5,
            "mlp.c_proj.weight": std * (2 * TEXT_LAYERS) ** -0.5,
        }
        for block in self.transformer.resblocks:
            for name, spread in stds.items():
                nn.init.normal_(block.get_parameter(name), std=spread)
        nn.init.normal_(self.text_projection, std=std)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Embed normalised pixels (b, 3, IMAGE_SIZE, IMAGE_SIZE) as (b, EMBED_DIM)."""
        found: Tensor = self.visual(pixels)
        return found

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Embed tokens (b, CONTEXT_LENGTH), of which the last has the largest number."""
        x = self.token_embedding(tokens) + self.positional_embedding
        x = self.ln_final(self.transformer(x, attn_mask=self.attn_mask))
        ends: Tensor = x[torch.arange(x.shape[0], device=x.device), tokens.argmax(dim=-1)]
        return ends @ self.text_projection
