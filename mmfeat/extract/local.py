"""The engine of one machine: decode ahead in processes, encode here, one shard after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mmfeat.encoders.base import Encoder, Pixels
from mmfeat.errors import ExtractError
from mmfeat.extract.decoding import Decoder, DecodeTask
from mmfeat.extract.guard import Refusal
from mmfeat.extract.plan import Plan, Shard
from mmfeat.store.layout import Block, Problem, Status
from mmfeat.types import Embeddings

Advance = Callable[[str, int], None]  # modality, rows done since the last call


def run_local(
    plan: Plan, encoder: Encoder, shards: Sequence[Shard], advance: Advance
) -> Iterator[tuple[Shard, Block]]:
    """Encode `shards` one after another."""
    workers = plan.settings.workers if "image" in plan.modalities else 0
    with Decoder(decode_task(plan, encoder), workers=workers) as decoder:
        for shard in shards:
            rows = range(shard.start, shard.stop)
            yield shard, encode_rows(plan, encoder, rows, decoder=decoder, advance=advance)


def decode_task(plan: Plan, encoder: Encoder) -> DecodeTask:
    """How the images of a plan are decoded for an encoder."""
    return DecodeTask(
        folder=plan.images,
        preprocessing=encoder.preprocessing,
        max_pixels=plan.settings.max_pixels,
        fast=plan.settings.decode == "fast",
    )


def encode_rows(
    plan: Plan, encoder: Encoder, rows: Sequence[int], *, decoder: Decoder, advance: Advance
) -> Block:
    """Encode any rows of the table, in their order."""
    embeddings: dict[str, Embeddings] = {}
    status: dict[str, NDArray[np.uint8]] = {}
    truncated = np.zeros(len(rows), np.uint8)
    problems: list[Problem] = []
    if "image" in plan.modalities:
        embeddings["image"], status["image"], refusals = _encode_images(
            plan, encoder, rows, decoder, advance
        )
        problems += _problems(plan, rows, "image", refusals)
    if "text" in plan.modalities:
        embeddings["text"], status["text"], truncated = _encode_captions(
            plan, encoder, rows, advance
        )
        empty = {
            int(at): Refusal(Status.EMPTY, "the caption is empty")
            for at in np.flatnonzero(status["text"] == Status.EMPTY)
        }
        problems += _problems(plan, rows, "text", empty)
    problems.sort(key=lambda p: (p.row, p.modality))
    return Block(
        embeddings=embeddings, status=status, truncated=truncated, problems=tuple(problems)
    )


def _encode_images(
    plan: Plan, encoder: Encoder, rows: Sequence[int], decoder: Decoder, advance: Advance
) -> tuple[Embeddings, NDArray[np.uint8], dict[int, Refusal]]:
    """Encode each distinct file once, in batches of the order in which files first appear."""
    names = [plan.table.image_paths[row] for row in rows]
    distinct = list(dict.fromkeys(names))
    values = np.full((len(distinct), encoder.image_dim), np.nan, plan.settings.dtype)
    refusals: dict[int, Refusal] = {}
    same_as: dict[int, int] = {}  # a copy of an earlier file under another name
    first_with: dict[bytes, int] = {}
    batch: list[tuple[int, Pixels]] = []

    def flush() -> None:
        if batch:
            places = [at for at, _ in batch]
            values[places] = encoder.encode_images(np.stack([pixels for _, pixels in batch]))
            batch.clear()

    for at, decoded in enumerate(decoder.decode(distinct)):
        if isinstance(decoded, Refusal):
            refusals[at] = decoded
            if plan.settings.on_bad_image == "fail":
                raise _bad_image(plan, rows[names.index(distinct[at])], decoded)
        else:
            pixels, digest = decoded
            same_as[at] = first_with.setdefault(digest, at)
            if same_as[at] == at:
                batch.append((at, pixels))
        if len(batch) == plan.image_batch:
            flush()
        advance("image", 1)
    flush()
    for at, first in same_as.items():
        values[at] = values[first]
    advance("image", len(names) - len(distinct))
    place = {name: at for at, name in enumerate(distinct)}
    index = np.array([place[name] for name in names])
    status = np.full(len(distinct), Status.OK, np.uint8)
    for at, refusal in refusals.items():
        status[at] = refusal.status
    by_row = {i: refusals[at] for i, at in enumerate(index.tolist()) if at in refusals}
    return values[index], status[index], by_row


def _encode_captions(
    plan: Plan, encoder: Encoder, rows: Sequence[int], advance: Advance
) -> tuple[Embeddings, NDArray[np.uint8], NDArray[np.uint8]]:
    """Encode each distinct caption once, short ones together with short ones."""
    assert plan.table.captions is not None, "the plan has no text without captions"
    captions = [plan.table.captions[row] for row in rows]
    distinct = list(dict.fromkeys(caption for caption in captions if caption.strip()))
    place = {caption: at for at, caption in enumerate(distinct)}
    values = np.full((len(distinct) + 1, encoder.text_dim), np.nan, plan.settings.dtype)
    cut = np.zeros(len(distinct) + 1, np.uint8)  # the last entry stands for empty captions
    if distinct:
        tokenized = encoder.tokenize(distinct)
        cut[:-1] = tokenized.truncated
        order = np.argsort(tokenized.lengths, kind="stable")
        for start in range(0, len(order), plan.text_batch):
            part = order[start : start + plan.text_batch]
            values[part] = encoder.encode_tokens(tokenized.tokens[part])
            advance("text", len(part))
    advance("text", len(captions) - len(distinct))
    index = np.array([place.get(caption, -1) for caption in captions])
    status = np.where(index < 0, Status.EMPTY, Status.OK).astype(np.uint8)
    return values[index], status, cut[index]


def _problems(
    plan: Plan, rows: Sequence[int], modality: str, refusals: dict[int, Refusal]
) -> list[Problem]:
    return [
        Problem(
            row=rows[at],
            id=plan.table.ids[rows[at]],
            modality=modality,
            status=refusal.status,
            reason=refusal.reason,
        )
        for at, refusal in refusals.items()
    ]


def _bad_image(plan: Plan, row: int, refusal: Refusal) -> ExtractError:
    return ExtractError(
        "every image must be readable under --on-bad-image fail",
        f"row {row} ({plan.table.ids[row]}) of {plan.table.source}: {refusal.reason}",
        "mend the file, or use --on-bad-image record",
    )
