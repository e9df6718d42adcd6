"""`mmfeat extract`: stage one, from a table and a folder of images to a feature store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.common import (
    FeatureSet,
    IdCol,
    ImageCol,
    LabelCol,
    LabelCols,
    LabelSep,
    QuietOption,
    RayAddress,
    RowsPerFile,
    StoreOut,
    StoreSplit,
    TextCol,
    WorkspaceOption,
    names,
    note,
    start,
)
from mmfeat_cli.extract.progress import show_progress


def extract(
    table: Annotated[
        Path | None, typer.Argument(help="csv, tsv, parquet or jsonl; left out: all of mmfeat.toml")
    ] = None,
    images: Annotated[
        str | None, typer.Option("--images", help="Folder or address of the images.")
    ] = None,
    split: StoreSplit = None,
    features: FeatureSet = None,
    out: StoreOut = None,
    model: Annotated[
        str | None, typer.Option("--model", help="See `mmfeat list encoders`.")
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option("--pretrained", help="A tag, a local file, or `random`.")
    ] = None,
    modalities: Annotated[str | None, typer.Option("--modalities", help="image,text")] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="auto, fp32, bf16 or fp16.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="Stored embeddings: float16 or float32.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=0, help="0: auto.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=-1, help="Decoding processes; -1: auto.")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, …")] = None,
    shard_rows: Annotated[int | None, typer.Option("--shard-rows", min=1)] = None,
    rows_per_file: RowsPerFile = None,
    on_bad_image: Annotated[
        str | None, typer.Option("--on-bad-image", help="record or fail.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try images again that failed before.")
    ] = False,
    max_pixels: Annotated[
        int | None, typer.Option("--max-pixels", min=1, help="Refuse larger images.")
    ] = None,
    decode: Annotated[str | None, typer.Option("--decode", help="exact or fast.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="local, ray or torchrun.")] = None,
    ray_address: RayAddress = None,
    actors: Annotated[
        int | None, typer.Option("--actors", min=0, help="Of --engine ray; 0: auto.")
    ] = None,
    num_gpus_per_actor: Annotated[
        float | None, typer.Option("--num-gpus-per-actor", min=-1.0, help="-1: auto.")
    ] = None,
    shards: Annotated[
        str | None,
        typer.Option("--shards", metavar="ADDRESS", help="Keep shards there, too: s3://…"),
    ] = None,
    label_prompts: Annotated[
        Path | None,
        typer.Option(
            "--label-prompts",
            help="For the head zeroshot: a table of label, prompt; or a .txt of templates,"
            " e.g. `a photo of a {}`.",
        ),
    ] = None,
    id_col: IdCol = None,
    image_col: ImageCol = None,
    text_col: TextCol = None,
    label_col: LabelCol = None,
    label_sep: LabelSep = None,
    label_cols: LabelCols = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Stage one: run the encoder once and cache image and text embeddings."""
    from mmfeat.config import override
    from mmfeat.errors import ConfigError
    from mmfeat.extract import extract_table, help_extract, is_helping, load_encoder_for
    from mmfeat.tables import read_table

    settings, space = start(workspace, quiet=quiet)
    data = override(
        settings.data,
        images=images,
        id_col=id_col,
        image_col=image_col,
        text_col=text_col,
        label_col=label_col,
        label_sep=label_sep,
        label_cols=names(label_cols) or None,
    )
    options = override(
        settings.extract,
        model=model,
        pretrained=pretrained,
        modalities=names(modalities) or None,
        precision=precision,
        dtype=dtype,
        batch_size=batch_size,
        workers=workers,
        device=device,
        shard_rows=shard_rows,
        rows_per_file=rows_per_file,
        on_bad_image=on_bad_image,
        max_pixels=max_pixels,
        decode=decode,
        engine=engine,
        ray_address=ray_address,
        actors=actors,
        num_gpus_per_actor=num_gpus_per_actor,
        shards=shards,
        label_prompts=str(label_prompts) if label_prompts else None,
    )
    paths = {split or table.stem: table} if table else _named(settings.splits, split)
    if not paths or (out is not None and len(paths) > 1):
        raise ConfigError(
            "extract needs a table, and one table for --out",
            f"{len(paths)} tables were named, here or in mmfeat.toml",
            "name a TABLE, or a --split of mmfeat.toml",
        )
    tables = {name: read_table(path, data=data) for name, path in paths.items()}
    encoder = load_encoder_for(options)
    for name, rows in tables.items():
        if rows.targets is not None and name == settings.submit.split:
            note(f"{name}: its labels are kept in the store and ignored by predict and submit")
        store = out or space.store(name, features)
        if is_helping(options):
            help_extract(rows, images=data.images, encoder=encoder, out=store, settings=options)
            continue
        with show_progress(quiet=quiet) as progress:
            summary = extract_table(
                rows,
                images=data.images,
                encoder=encoder,
                out=store,
                settings=options,
                retry_failed=retry_failed,
                progress=progress,
            )
        print(summary)


def _named(splits: dict[str, str], split: str | None) -> dict[str, Path]:
    return {name: Path(path) for name, path in splits.items() if split in (None, name)}
