"""Contrastive training of the bundled encoder, on new scenes in every pass.

`make pretrain-demo` runs it. The scenes have their own stream of random numbers (`STREAM`), which
`mmfeat demo-data` never uses, whatever its seed. Steps of one pass:

1. worker processes draw `scenes` small images and write captions, most of which name everything;
2. batches go through both towers; the loss is CLIP's symmetric cross-entropy
   (Radford et al. 2021, arXiv:2103.00020);
3. the weights are written in float16, with the rows of the token table that training changed.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import math
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional

from mmfeat.core.parallel import process_pool
from mmfeat.demo.captions import describe
from mmfeat.demo.scenes import draw_scene, make_scene
from mmfeat.extract.encoders.families.tiny_demo import WEIGHTS, build, save_weights, tokenizer
from mmfeat.extract.encoders.families.tiny_towers import IMAGE_SIZE

STREAM = 0x70726574  # of random numbers for pretraining; the demo data has another
BATCH = 256
HORIZON = 45  # passes until the learning rate is zero; the default stops before
log = logging.getLogger(__name__)


def draw_chunk(task: tuple[int, int, int]) -> tuple[NDArray[np.uint8], list[str]]:
    """Draw scenes `start` to `stop` of a pass: images (n, size, size, 3) and n captions."""
    pass_number, start, stop = task
    pictures, captions = [], []
    for row in range(start, stop):
        rng = np.random.default_rng([STREAM, pass_number, row])
        scene = make_scene(rng, sides=(110, 170))
        picture = draw_scene(scene, rng)
        size = (IMAGE_SIZE, IMAGE_SIZE)
        pictures.append(np.asarray(picture.resize(size, Image.Resampling.BICUBIC)))
        captions.append(describe(scene, rng, complete=rng.random() < 0.8))
    return np.stack(pictures), captions


def batches(
    pool: multiprocessing.pool.Pool, *, passes: int, scenes: int
) -> Iterator[tuple[NDArray[np.uint8], list[str]]]:
    """Yield the batches of every pass, drawn ahead by the pool."""
    tasks = (
        (pass_number, start, start + BATCH)
        for pass_number in range(passes)
        for start in range(0, scenes - BATCH + 1, BATCH)
    )
    pending = [pool.apply_async(draw_chunk, (task,)) for task in itertools.islice(tasks, 8)]
    while pending:
        done = pending.pop(0).get()
        pending.extend(pool.apply_async(draw_chunk, (task,)) for task in itertools.islice(tasks, 1))
        yield done


def contrastive_loss(
    image: torch.Tensor, text: torch.Tensor, logit_scale: torch.Tensor
) -> torch.Tensor:
    """Symmetric cross-entropy of normalised embeddings (n, d) against their pairing."""
    logits = logit_scale * image.float() @ text.float().T
    pairs = torch.arange(len(logits))
    forward = functional.cross_entropy(logits, pairs)
    return (forward + functional.cross_entropy(logits.T, pairs)) / 2


def pretrain(*, passes: int, scenes: int, workers: int, out: Path, peak: float = 1.5e-3) -> None:
    """Train the encoder from scratch and write its weights to `out`."""
    torch.manual_seed(0)
    model = build().train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    tokenize = tokenizer()
    touched = torch.zeros(model.vocab_size, dtype=torch.bool)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.02}, {"params": vectors, "weight_decay": 0.0}],
        lr=peak,
    )
    horizon = max(passes, HORIZON) * (scenes // BATCH)
    started = time.monotonic()
    losses: list[float] = []
    with process_pool(workers) as pool:
        for step, (pictures, captions) in enumerate(batches(pool, passes=passes, scenes=scenes)):
            warm = min(1.0, (step + 1) / 200)
            for group in optimizer.param_groups:
                group["lr"] = peak * warm * 0.5 * (1 + math.cos(math.pi * step / horizon))
            pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
            tokens = tokenize(captions)
            touched[tokens.unique()] = True
            with torch.autocast("cpu", torch.bfloat16):
                image = functional.normalize(model.encode_image(pixels), dim=-1)
                text = functional.normalize(model.encode_text(tokens), dim=-1)
            loss = contrastive_loss(image, text, model.logit_scale.exp())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                model.logit_scale.clamp_(max=math.log(100.0))
            losses.append(float(loss.detach()))
            if (step + 1) % (scenes // BATCH) == 0:
                log.info(
                    "pass %d: contrastive loss %.3f, scale %.1f, %.0f s",
                    (step + 1) // (scenes // BATCH),
                    float(np.mean(losses)),
                    float(model.logit_scale.detach().exp()),
                    time.monotonic() - started,
                )
                losses.clear()
                save_weights(model, touched, out)


def main() -> None:
    """Read the options of `make pretrain-demo` and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passes", type=int, default=32)
    parser.add_argument("--scenes", type=int, default=20_480, help="scenes drawn in every pass")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pretrain(**vars(options))


if __name__ == "__main__":
    main()
