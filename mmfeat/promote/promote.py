"""The verb `promote`: whether a new model may replace an old one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from mmfeat.config import ThresholdSettings
from mmfeat.core.checks import check_arguments, check_choice, check_range
from mmfeat.core.settings import override
from mmfeat.core.workspace import Workspace, open_project
from mmfeat.decide.decision import HALVES, Decision
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat.errors import ConfigError
from mmfeat.extract.extract import ShowProgress
from mmfeat.predict.encoder import pick_weights
from mmfeat.predict.new_rows import ROWS, extract_for
from mmfeat.promote.new_rows import labelled, new_rows
from mmfeat.promote.out_of_fold import out_of_fold_rows
from mmfeat.promote.promotion import Promotion, judge
from mmfeat.promote.rows import Candidate
from mmfeat.runs.bundle import find_predictor
from mmfeat.runs.run import Run
from mmfeat.tables import read_table

log = logging.getLogger(__name__)


@check_arguments
def promote(
    old: Run | str,
    new: Run | str,
    *,
    table: Path | str | None = None,
    split: str | None = None,
    images: Path | str | None = None,
    margin: float = 0.0,
    objective: str | None = None,
    pretrained: str | Sequence[str] = (),
    id_col: str | None = None,
    image_col: str | None = None,
    text_col: str | None = None,
    label_col: str | None = None,
    label_sep: str | None = None,
    known_col: str | None = None,
    uncertain_col: str | None = None,
    on_bad_image: str | None = None,
    workspace: Path | str | None = None,
    progress: ShowProgress = nullcontext,
) -> Promotion:
    """Compare two models on labelled rows that neither was fitted on, without changing them.

    Each decides as `predict` does: by its decision for the objective, or else by the one in use.
    The new one is promoted where the lower end of the 95 % interval of its difference, new minus
    old, is at least minus the margin.

    Parameters
    ----------
    old, new
        Runs, their names, or folders of bundles.
    table, images
        Labelled rows, which go through stage one first, as in `predict`. Rows that one of the two
        was fitted on, and relatives of these, are left out.
    pretrained
        Weights of one or both encoders: ``TAG=FILE`` for a model of that tag, anything else for
        both. A bundle that holds its weights needs none.
    split
        Labelled rows that are in a store. Without `table` and `split`, both are runs of the same
        folds, and are judged on their out-of-fold rows.
    margin
        How much worse the new one may be, of the objective: between 0 and 1.
    objective
        By what both are judged; None: what the old one is tuned for, else the new one, else the
        default.
    id_col, image_col, text_col, label_col, label_sep, known_col, uncertain_col
        Columns of `table`; None: as in the table that the new one was fitted on.
    on_bad_image
        What is done with unreadable images of `table`; see `mmfeat.config.ExtractSettings`.
    progress
        Gives what hears of progress in stage one.

    Raises
    ------
    MmfeatError
        `RunError` for the models or too few rows, `TableError`, `EncoderError` or `StoreError` for
        the rows, `ConfigError` for what was asked.
    """
    check_range("--margin", margin, 0, 1)
    if table is not None and split is not None:
        raise ConfigError(
            "the rows are of a table or of a store",
            "both are named",
            "leave out --table or --split",
        )
    settings, space = open_project(workspace)
    runs = [find_predictor(space, run) for run in (old, new)]
    target = objective or _objective(*runs) or settings.thresholds.objective
    check_choice("--objective", target, OBJECTIVES)
    models = Candidate.of(runs[0], target), Candidate.of(runs[1], target)
    if split is not None:
        found = new_rows(models, space, lambda _: (space, split), source=f"the split {split}")
    elif table is not None:
        path = Path(table)
        columns = {
            "id_col": id_col,
            "image_col": image_col,
            "text_col": text_col,
            "label_col": label_col,
            "label_sep": label_sep,
            "known_col": known_col,
            "uncertain_col": uncertain_col,
        }
        read = read_table(
            path,
            data=override(runs[1].table_format, **columns),
            named=[name for name, column in columns.items() if column is not None],
            known=runs[1].labels,
        )
        labelled(read.targets, source=str(path))  # before anything is encoded
        given = (pretrained,) if isinstance(pretrained, str) else tuple(pretrained)

        def place_of(run: Run) -> tuple[Workspace, str]:
            with progress() as hear:
                place, summary = extract_for(
                    run,
                    read,
                    images=override(settings.data, images=images).images,
                    cache=space.cache,
                    settings=override(settings.extract, on_bad_image=on_bad_image),
                    pretrained=pick_weights(run, given),
                    progress=hear,
                )
            if run is runs[1]:
                for line in str(replace(summary, path=path)).splitlines():
                    log.info("%s", line)
            return place, ROWS

        found = new_rows(models, space, place_of, source=str(path))
    else:
        found = out_of_fold_rows(models, space)
    for doubt in found.doubts:
        log.warning("%s", doubt)
    decisions = [model.decision for model in models]
    return judge(
        found,
        models,
        objective=target,
        margin=margin,
        options=_options(decisions, replace(settings.thresholds, objective=target)),
    )


def _objective(*runs: Run) -> str | None:
    """What the first of the runs that was tuned was tuned for."""
    used = [run.decision.objective for run in runs]
    return next((name for name in used if name != HALVES), None)


def _options(decisions: list[Decision], aim: ThresholdSettings) -> dict[str, float]:
    """Beta or floor of the objective: of the first decision for it, else of the settings."""
    wanted = aim.options()
    own = next((d.options for d in decisions if d.objective == aim.objective), {})
    return {name: float(own.get(name, value)) for name, value in wanted.items()}
