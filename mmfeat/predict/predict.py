"""The verb `predict`: scores and label sets of a store, of a table, or of a folder of images."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmfeat.convert.predictions import check_annotations, write_annotations
from mmfeat.core.checks import check_arguments
from mmfeat.core.files import check_output
from mmfeat.core.settings import override, override_all
from mmfeat.core.workspace import Workspace, inputs_of, open_project
from mmfeat.decide.decision import Decision
from mmfeat.decide.notes import far_from
from mmfeat.errors import ConfigError, StoreError
from mmfeat.extract.extract import ShowProgress
from mmfeat.extract.images.folder import table_of_images
from mmfeat.extract.images.sources import open_images
from mmfeat.fit.related import warn_seen_by
from mmfeat.predict.new_rows import ROWS, extract_for
from mmfeat.predict.scores import predict_scores, read_pictures, read_statuses
from mmfeat.predict.write import check_options, own_columns, write_predictions
from mmfeat.runs.bundle import Bundle, find_predictor
from mmfeat.runs.run import Run
from mmfeat.store.parts import find_store
from mmfeat.tables import read_table
from mmfeat.types import Predictions, Targets

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

LEAST_ROWS = 10  # whose mean number of labels is worth a warning


@dataclass(frozen=True, kw_only=True)
class PredictResult:
    """What a run predicts.

    Attributes
    ----------
    path
        The file that was written.
    predictions
        Scores (n, k).
    label_sets
        Of shape (n, k), 0 or 1, as the run decides.
    """

    path: Path
    predictions: Predictions
    label_sets: Targets

    def to_frame(self) -> pd.DataFrame:
        """Give one row per id, with a probability per label."""
        import pandas as pd  # noqa: PLC0415 - a third of a second, for this alone

        found = self.predictions
        return pd.DataFrame(
            found.probabilities, index=pd.Index(found.ids, name="id"), columns=list(found.labels)
        )


@check_arguments
def predict(
    run: Run | str | None = None,
    *,
    split: str | None = None,
    table: Path | str | None = None,
    images: Path | str | None = None,
    pretrained: str | None = None,
    id_col: str | None = None,
    image_col: str | None = None,
    text_col: str | None = None,
    on_bad_image: str | None = None,
    engine: str | None = None,
    ray_address: str | None = None,
    out: Path | str | None = None,
    format: str | None = None,
    top: int | None = None,
    keep_columns: bool = False,
    objective: str | None = None,
    decode: str | None = None,
    empty: str | None = None,
    workspace: Path | str | None = None,
    progress: ShowProgress = nullcontext,
) -> PredictResult:
    """Write scores, labels and statuses of every row, as `submit` decides.

    Parameters
    ----------
    run
        A run or its name; None: the best of the last comparison, or the newest finished one.
    split
        Name of the store; None: that of the table, or what `mmfeat.toml` submits.
    table, images, pretrained
        New rows, which go through stage one first: their table, the folder or address of their
        images, and the weights of the run's encoder. Without a table, every image below the folder
        is a row without a caption, and its path the id. No store is kept by a name.
    id_col, image_col, text_col
        Columns of `table`; None: as in the table that the run was fitted on. An empty `text_col`
        says that no row has a caption.
    on_bad_image
        What is done with unreadable images of `table`; see `mmfeat.config.ExtractSettings`.
    engine, ray_address
        What encodes new rows; see `mmfeat.config.ExtractSettings`.
    out
        csv, tsv, jsonl or parquet, or json with `format`.
    format
        ``label-studio`` or ``fiftyone``: write what these tools import, instead of a table.
    top
        Instead of a column per label, write the `top` most probable labels of each row and their
        probabilities; 0: the label sets alone.
    keep_columns
        Whether the columns of `table` stand before the predictions, whose labels are then called
        ``predicted_labels``.
    objective
        Which decision of the run is used; ``none``: 0.5 for every label. None: the one in use.
    decode, empty
        See `mmfeat.config.SubmitSettings`, which has the defaults.
    progress
        Gives what hears of progress in stage one.

    Raises
    ------
    MmfeatError
        `RunError` for the run, `TableError`, `EncoderError` or `StoreError` for the rows,
        `ConfigError` for what was asked.
    """
    settings, space = open_project(workspace)
    path = None if table is None else Path(table)
    _check_kinds(path, images)
    if images is not None:  # a run on captions alone would not look for them
        open_images(images).check()
    columns = {"id_col": id_col, "image_col": image_col, "text_col": text_col}
    named = {name: column for name, column in columns.items() if column is not None}
    if path is None and images is not None:
        _check_folder(split, named)
        name: str | None = Path(str(images)).resolve().name
    else:
        name = split or (path.stem if path else None)
    (options,) = override_all({"split": name, "decode": decode, "empty": empty}, settings.submit)
    found = find_predictor(space, run, objective=objective)
    _check_there(space, options.split, found, given=(split, path, images))
    decision = found.decision_for(objective)
    ending = "scores.csv" if format is None else f"{format}.json"
    written = Path(out) if out else space.submissions / f"{found.name}-{options.split}-{ending}"
    check_output(written, (path, *inputs_of(settings)))
    _check_written(written, format, top=top)
    place, rows, new = space, options.split, None
    if path is not None:
        new = read_table(path, data=override(found.table_format, **named), named=list(named))
        if text_col == "":
            new = replace(new, captions=("",) * new.n_rows)
    elif images is not None:
        new = table_of_images(images)
        for note in new.notes:
            log.info("%s: %s", new.source, note)
    own = own_columns(new if path else None, format) if keep_columns else None
    if new is not None:
        with progress() as hear:
            place, summary = extract_for(
                found,
                new,
                images=override(settings.data, images=images).images,
                cache=space.cache,
                settings=override(
                    settings.extract,
                    on_bad_image=on_bad_image,
                    engine=engine,
                    ray_address=ray_address,
                ),
                pretrained=pretrained,
                progress=hear,
            )
        rows = ROWS
        told = replace(summary, path=Path(new.source), rest=f"their status is in {written}")
        for line in str(told).splitlines():
            log.info("%s", line)
    if not isinstance(found, Bundle):
        warn_seen_by(space, found.config, rows, place=place)
    how = decision.describe(options.decode)
    log.info("predicting %s with %s, decided by %s", options.split, found.name, how)
    scores = predict_scores(found, place, rows)
    label_sets = decision.decide(scores.probabilities, empty=options.empty, decode=options.decode)
    _tell_labels_per_row(found, decision, label_sets)
    if format is None:
        write_predictions(
            written,
            scores,
            decision,
            empty=options.empty,
            decode=options.decode,
            label_sep=settings.data.label_sep or found.label_sep,
            statuses=read_statuses(found, place, rows),
            top=top,
            own=own,
        )
    else:
        write_annotations(
            written,
            format,
            scores=scores,
            label_sets=label_sets,
            pictures=read_pictures(found, place, rows),
            model=found.name,
        )
    return PredictResult(path=written, predictions=scores, label_sets=label_sets)


def _tell_labels_per_row(found: Run, decision: Decision, label_sets: Targets) -> None:
    """Log how many labels a row gets, and warn where that is far from what rows have."""
    mean = float(label_sets.sum() / max(len(label_sets), 1))
    usual, where = found.labels_per_row, found.config.validation or found.config.split
    if usual is None:
        log.info("%.1f labels per row", mean)
        return
    told = far_from(mean, usual, where=where, objective=decision.objective)
    if told and len(label_sets) >= LEAST_ROWS:
        log.warning(told)
    else:
        log.info("%.1f labels per row, %.1f in %s", mean, usual, where)


def _check_there(
    space: Workspace, split: str, run: Run, *, given: Iterable[Path | str | None]
) -> None:
    """Raise `StoreError` where no rows are `given`, and the usual ones have no store."""
    if any(rows is not None for rows in given):
        return
    if isinstance(run, Bundle) and not space.features.is_dir():
        raise StoreError(
            "`mmfeat predict` needs rows",
            f"none are given for {run.folder.name}",
            "give pictures with --images FOLDER, or a table with --table FILE (and --images)",
        )
    if any(find_store(path) is None for path in space.stores(split, run.config.features)):
        raise StoreError(
            "`mmfeat predict` needs rows",
            f"none are named, and the split {split} has no feature store",
            "give new rows with --table FILE (and --images DIR), or with --images DIR alone; of a"
            " split that mmfeat.toml names, `mmfeat extract` makes the store",
        )


def _check_written(path: Path, format: str | None, *, top: int | None) -> None:
    if format is None:
        check_options(path, top=top)
    else:
        check_annotations(path, format, top=top)


def _check_kinds(table: Path | None, images: Path | str | None) -> None:
    """Raise `ConfigError` for a folder of pictures as a table, and a picture as a folder."""
    if table is not None and table.is_dir():
        raise ConfigError(
            "--table is a file with a row per picture",
            f"{table} is a folder",
            f"its pictures are predicted with --images {shlex.quote(str(table))}",
        )
    if images is not None and Path(images).is_file():
        raise ConfigError(
            "--images is a folder",
            f"{images} is a file",
            f"one picture is predicted with --image {shlex.quote(str(images))}",
        )


def _check_folder(split: str | None, columns: Mapping[str, str]) -> None:
    """Raise `ConfigError` for what says something about other rows than a folder of images."""
    flags = [f"--{name.replace('_', '-')}" for name in (*(["split"] if split else []), *columns)]
    if flags:
        raise ConfigError(
            "--images without --table is a folder whose images are predicted",
            f"{' and '.join(flags)} {'is' if len(flags) == 1 else 'are'} for other rows",
            f"leave out {', '.join(flags)}, or --images, or add --table",
        )
