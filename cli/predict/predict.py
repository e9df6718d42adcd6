"""`mmfeat predict`: scores and labels of a store, a table, a folder of images, or one row."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mmfeat.config import DataSettings, ExtractSettings, SubmitSettings
from mmfeat.convert.predictions import WRITERS
from mmfeat.decide.expected_f1 import DECODES, EMPTIES
from mmfeat.extract.engines.base import ENGINES
from mmfeat_cli.extract.progress import show_progress
from mmfeat_cli.help.completion import one_of
from mmfeat_cli.messages import show_messages
from mmfeat_cli.options import (
    OUTPUT,
    SPEED,
    DecisionOption,
    IdCol,
    ImageCol,
    PredictorArgument,
    QuietOption,
    RayAddress,
    TextCol,
    WorkspaceOption,
    of,
)
from mmfeat_cli.tables import print_table


def predict(
    run: PredictorArgument = None,
    split: Annotated[str | None, of(SubmitSettings, "split")] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="Table of new rows, which are encoded first.")
    ] = None,
    images: Annotated[
        str | None,
        of(
            DataSettings,
            "images",
            "Folder or address of the images of --table, or, without it, of images to predict",
        ),
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option("--pretrained", help="Weights of the run's encoder, for new rows.")
    ] = None,
    id_col: IdCol = None,
    image_col: ImageCol = None,
    text_col: TextCol = None,
    on_bad_image: Annotated[str | None, of(ExtractSettings, "on_bad_image")] = None,
    engine: Annotated[
        str | None, of(ExtractSettings, "engine", choices=ENGINES, rich_help_panel=SPEED)
    ] = None,
    ray_address: RayAddress = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Path of the predictions: csv, tsv, parquet or jsonl.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"Write JSON that another tool imports: {', '.join(WRITERS)}.",
            rich_help_panel=OUTPUT,
            autocompletion=one_of(tuple(WRITERS)),
        ),
    ] = None,
    keep_columns: Annotated[
        bool,
        typer.Option(
            "--keep-columns",
            help="Write the columns of --table before the predictions.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    objective: DecisionOption = None,
    decode: Annotated[
        str | None,
        of(SubmitSettings, "decode", choices=DECODES),
    ] = None,
    empty: Annotated[
        str | None,
        of(SubmitSettings, "empty", "Prediction for rows that get no label", choices=EMPTIES),
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", help="One image, whose labels are printed.")
    ] = None,
    caption: Annotated[
        str | None, typer.Option("--caption", help="Its caption, or one without an image.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            help="Number of most probable labels to print of --image and --caption; to write"
            " instead of all probabilities, 0 for labels alone.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write the scores, labels and status of every row of a store, a table or a folder of images.

    With --image or --caption, print the labels of that one row.
    """
    from mmfeat.export.one_row import predict_one
    from mmfeat.predict.predict import predict as verb

    show_messages(quiet=quiet)
    if image is not None or caption is not None:
        of_many = {
            "--split": split,
            "--table": table,
            "--images": images,
            "--id-col": id_col,
            "--image-col": image_col,
            "--text-col": text_col,
            "--on-bad-image": on_bad_image,
            "--engine": engine,
            "--ray-address": ray_address,
            "--out": out,
            "--format": format,
            "--keep-columns": keep_columns or None,
        }
        given = [flag for flag, value in of_many.items() if value is not None]
        if given:
            raise typer.BadParameter(
                f"--image and --caption print one row; leave out {', '.join(given)}"
            )
        found = predict_one(
            run,
            image=image,
            caption=caption,
            pretrained=pretrained,
            top=top,
            objective=objective,
            decode=decode,
            empty=empty,
            workspace=workspace,
        )
        header = ["label", "probability", "threshold", "predicted"]
        cells = [
            [row.label, _digits(row.probability), _digits(row.threshold), "yes" * row.is_predicted]
            for row in found
        ]
        print_table(header, cells)
        return
    result = verb(
        run,
        split=split,
        table=table,
        images=images,
        pretrained=pretrained,
        id_col=id_col,
        image_col=image_col,
        text_col=text_col,
        on_bad_image=on_bad_image,
        engine=engine,
        ray_address=ray_address,
        out=out,
        format=format,
        top=top,
        keep_columns=keep_columns,
        objective=objective,
        decode=decode,
        empty=empty,
        workspace=workspace,
        progress=partial(show_progress, quiet=quiet),
    )
    print(result.path)


def _digits(value: float | None) -> str:
    """A probability, small ones with as many digits as they need."""
    if value is None:
        return "none"
    return f"{value:.4f}" if value >= 0.001 or value == 0 else f"{value:.1e}"
