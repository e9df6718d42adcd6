"""`mmfeat promote`: whether a new model may replace an old one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmfeat.config import DataSettings, ExtractSettings
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat.errors import counted
from mmfeat_cli.extract.progress import show_progress
from mmfeat_cli.messages import fail, note, show_messages
from mmfeat_cli.options import (
    IdCol,
    ImageCol,
    JsonOption,
    KnownCol,
    LabelCol,
    LabelSep,
    PerClassOption,
    QuietOption,
    TextCol,
    UncertainCol,
    WorkspaceOption,
    of,
)
from mmfeat_cli.tables import print_json, print_table, print_text

if TYPE_CHECKING:
    from mmfeat.promote.promotion import Promotion

MOST_CLASSES = 10  # without --per-class


def promote(
    old: Annotated[str, typer.Argument(help="Name of the old run, or folder of its bundle.")],
    new: Annotated[str, typer.Argument(help="Name of the new run, or folder of its bundle.")],
    table: Annotated[
        Path | None,
        typer.Option("--table", help="Labelled rows to judge on; by default out-of-fold rows."),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Labelled rows of this store, instead.")
    ] = None,
    images: Annotated[
        str | None, of(DataSettings, "images", "Folder or address of the images of --table")
    ] = None,
    margin: Annotated[
        float, typer.Option("--margin", help="How much worse the new one may be, from 0 to 1.")
    ] = 0.0,
    objective: Annotated[
        str | None,
        typer.Option(
            "--objective",
            help=f"Objective that judges both. One of {', '.join(OBJECTIVES)}; by default that of"
            " the old one's decision.",
        ),
    ] = None,
    pretrained: Annotated[
        list[str] | None,
        typer.Option(
            "--pretrained",
            help="Weights of the encoders, for --table; TAG=FILE for that of a tag, repeatable.",
        ),
    ] = None,
    id_col: IdCol = None,
    image_col: ImageCol = None,
    text_col: TextCol = None,
    label_col: LabelCol = None,
    label_sep: LabelSep = None,
    known_col: KnownCol = None,
    uncertain_col: UncertainCol = None,
    on_bad_image: Annotated[str | None, of(ExtractSettings, "on_bad_image")] = None,
    per_class: PerClassOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Judge two models on the same labelled rows; exit with status 1 unless NEW is good enough.

    NEW minus OLD must be at least minus --margin, by the lower end of its 95 % interval.
    """
    from mmfeat.promote.promote import promote as verb

    show_messages(quiet=quiet)
    found = verb(
        old,
        new,
        table=table,
        split=split,
        images=images,
        margin=margin,
        objective=objective,
        pretrained=pretrained or (),
        id_col=id_col,
        image_col=image_col,
        text_col=text_col,
        label_col=label_col,
        label_sep=label_sep,
        known_col=known_col,
        uncertain_col=uncertain_col,
        on_bad_image=on_bad_image,
        workspace=workspace,
        progress=partial(show_progress, quiet=quiet),
    )
    if as_json:
        print_json(found.to_json())
    else:
        _print(found, per_class=per_class)
    if not found.promoted:
        names = f"{found.new['name']} minus {found.old['name']}"
        fail(
            f"NEW is at most --margin {found.margin:g} worse than OLD, as far as the 95 % interval"
            f" tells; that of {names} begins at {found.interval[0]:+.4f} {found.objective};"
            " keep OLD, judge on more rows, or allow a larger --margin"
        )


def _print(found: Promotion, *, per_class: bool) -> None:
    for sentence in found.notes:
        note(sentence)
    shown = found.per_class if per_class else found.per_class[:MOST_CLASSES]
    columns = ("label", "support", "old", "new", "difference", "interval")
    titles = ("label", "support", "F1 of old", "of new", "difference", "95 % interval")
    print_table(titles, [[row[key] for key in columns] for row in shown])
    if left := len(found.per_class) - len(shown):
        print(f"… and {left} more labels with smaller differences; --per-class shows them")
    changes = found.changes
    if changes.examples:
        print()
        print_table(
            ("label", "row", "old", "new", "truth", "probabilities"),
            [
                (
                    each.label,
                    each.id,
                    *("yes" if given else "no" for given in (each.old, each.new, each.truth)),
                    list(each.probabilities),
                )
                for each in changes.examples
            ],
        )
    many = counted(found.rows["count"], "row")
    print_text(
        f"{changes.rows:,} of {many} change sides: {counted(changes.to_right, 'label')} to right,"
        f" {changes.to_wrong:,} to wrong"
        + f", {changes.unknown:,} of unknown truth"
        * bool(changes.unknown)
    )
    low, high = found.interval
    print_text(
        f"{found.objective} on {found.rows['source']}: {found.values[0]:.4f} of"
        f" {found.old['name']}, {found.values[1]:.4f} of {found.new['name']}"
    )
    print_text(
        f"{found.verdict.replace('-', ' ')}: {found.difference:+.4f}, 95 % interval {low:+.4f} to"
        f" {high:+.4f}, margin {found.margin:g}"
    )
