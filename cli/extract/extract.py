"""`mmfeat extract`: stage one, from a table and a folder of images to a feature store."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mmfeat.config import DataSettings as Data
from mmfeat.config import ExtractSettings as Of
from mmfeat.extract.engines.base import ENGINES
from mmfeat_cli.extract.progress import show_progress
from mmfeat_cli.messages import show_messages
from mmfeat_cli.options import (
    SPEED,
    FeatureSet,
    FoldCol,
    GroupCol,
    GroupRegex,
    IdCol,
    ImageCol,
    KnownCol,
    LabelCol,
    LabelCols,
    LabelSep,
    NormaliseLabels,
    QuietOption,
    RayAddress,
    RenameLabel,
    StoreOut,
    StoreSplit,
    TextCol,
    TimeCol,
    UncertainCol,
    WorkspaceOption,
    names,
    of,
)
from mmfeat_cli.tables import print_lines

ENCODER, IMAGES = "Encoder", "Images"
fast = partial(of, Of, rich_help_panel=SPEED)
encoder = partial(of, Of, rich_help_panel=ENCODER)
pictures = partial(of, Of, rich_help_panel=IMAGES)


def extract(
    table: Annotated[
        Path | None,
        typer.Argument(
            help="Table: csv, tsv, parquet or jsonl; by default every split of mmfeat.toml."
        ),
    ] = None,
    images: Annotated[str | None, of(Data, "images", rich_help_panel=IMAGES)] = None,
    split: StoreSplit = None,
    features: FeatureSet = None,
    out: StoreOut = None,
    model: Annotated[
        str | None, encoder("model", "Name of the encoder; see `mmfeat list encoders`")
    ] = None,
    pretrained: Annotated[str | None, encoder("pretrained")] = None,
    modalities: Annotated[str | None, encoder("modalities")] = None,
    precision: Annotated[str | None, encoder("precision")] = None,
    dtype: Annotated[
        str | None,
        encoder("dtype"),
    ] = None,
    batch_size: Annotated[int | None, fast("batch_size", min=0)] = None,
    workers: Annotated[int | None, fast("workers", min=-1)] = None,
    device: Annotated[str | None, fast("device")] = None,
    shard_rows: Annotated[int | None, fast("shard_rows", min=1)] = None,
    rows_per_file: Annotated[int | None, fast("rows_per_file", min=0)] = None,
    on_bad_image: Annotated[
        str | None,
        pictures("on_bad_image"),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Retry the images that failed before.", rich_help_panel=IMAGES
        ),
    ] = False,
    max_pixels: Annotated[int | None, pictures("max_pixels", min=1)] = None,
    decode: Annotated[str | None, pictures("decode")] = None,
    engine: Annotated[
        str | None, fast("engine", "Engine that runs the encoder", choices=ENGINES)
    ] = None,
    ray_address: RayAddress = None,
    actors: Annotated[int | None, fast("actors", min=0)] = None,
    num_gpus_per_actor: Annotated[float | None, fast("num_gpus_per_actor", min=-1.0)] = None,
    shards: Annotated[str | None, fast("shards", metavar="ADDRESS")] = None,
    label_prompts: Annotated[
        Path | None,
        encoder(
            "label_prompts",
            "Prompts of the labels, for the head zeroshot: a table with the columns label and"
            " prompt, or a .txt file of templates, e.g. `a photo of a {}`",
        ),
    ] = None,
    id_col: IdCol = None,
    image_col: ImageCol = None,
    text_col: TextCol = None,
    label_col: LabelCol = None,
    label_sep: LabelSep = None,
    label_cols: LabelCols = None,
    normalise_labels: NormaliseLabels = None,
    rename_label: RenameLabel = None,
    group_col: GroupCol = None,
    group_regex: GroupRegex = None,
    fold_col: FoldCol = None,
    time_col: TimeCol = None,
    known_col: KnownCol = None,
    uncertain_col: UncertainCol = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Run the encoder once and cache the embeddings of images and captions."""
    from mmfeat.extract.engines.torchrun import is_helper
    from mmfeat.extract.extract import extract as verb

    quiet = quiet or is_helper()
    show_messages(quiet=quiet)
    verb(
        table,
        split=split,
        features=features,
        out=out,
        retry_failed=retry_failed,
        workspace=workspace,
        progress=partial(show_progress, quiet=quiet),
        on_table=print,
        on_summary=print_lines,
        images=images,
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
        label_prompts=label_prompts,
        id_col=id_col,
        image_col=image_col,
        text_col=text_col,
        label_col=label_col,
        label_sep=label_sep,
        label_cols=names(label_cols) or None,
        normalise_labels=normalise_labels,
        rename_labels=rename_label,
        group_cols=names(group_col) or None,
        group_regex=group_regex,
        fold_col=fold_col,
        time_col=time_col,
        known_col=known_col,
        uncertain_col=uncertain_col,
    )
