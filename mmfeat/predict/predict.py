"""Scores of a run for the rows of a store, and the file of scores and labels.

Rows are read, scored and written slice by slice, so that only the scores grow with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmfeat.config import ExtractSettings, override
from mmfeat.core.files import replacing
from mmfeat.decide.decision import Decision
from mmfeat.errors import ConfigError, RunError, StoreError
from mmfeat.extract import ExtractSummary, Progress, extract_table, load_encoder_for
from mmfeat.fit.ensemble import NAME as ENSEMBLE
from mmfeat.fit.ensemble import Ensemble
from mmfeat.fit.fusion.fuse import count_missing
from mmfeat.fit.model import Model
from mmfeat.fit.training_data import warn_missing
from mmfeat.runs.run import Run
from mmfeat.runs.workspace import Workspace
from mmfeat.store import FeatureStore, Status, open_features, read_features
from mmfeat.types import FeatureRows, Features, FloatArray, Predictions, Table

ROWS_AT_ONCE = 2**14  # whose embeddings, or texts, are in memory
FeatureSets = tuple[str, ...]  # of a run; see `Workspace.stores`
Score = Callable[[Mapping[FeatureSets, Features]], FloatArray]


def predict_scores(run: Run, workspace: Workspace, split: str) -> Predictions:
    """Score every row of `split` with the final model of a finished run.

    Raises `RunError` where the split was extracted by another encoder than the run's.
    """
    labels = run.labels
    with ExitStack() as stack:
        stores: dict[FeatureSets, FeatureRows] = {}
        score = _load(run, workspace, split, stores, stack)
        ids = {stored.ids for stored in stores.values()}
        if len(ids) > 1:
            raise RunError(
                "the stores of a split have the same rows in the same order",
                f"those of {split} for {' and '.join(map(str, stores))} differ",
                "extract them from the same table",
            )
        order = ids.pop()
        probabilities = np.empty((len(order), len(labels)), dtype=np.float32)
        missing: dict[FeatureSets, Counter[str]] = {sets: Counter() for sets in stores}
        for rows in _slices(len(order)):
            parts = {sets: stored.part(rows) for sets, stored in stores.items()}
            for sets, part in parts.items():
                missing[sets].update(count_missing(part))
            probabilities[rows] = score(parts)
    for counts in missing.values():
        warn_missing(counts, len(order))
    return Predictions(ids=order, labels=labels, probabilities=probabilities)


def _load(
    run: Run,
    workspace: Workspace,
    split: str,
    stores: dict[FeatureSets, FeatureRows],
    stack: ExitStack,
) -> Score:
    """What scores some rows; `stores` gets what it reads, which `stack` closes."""
    config = run.config
    if config.head == ENSEMBLE:
        ensemble = Ensemble.load(run.folder / "head")
        members = [
            _load(part, workspace, split, stores, stack) for part in ensemble.members.values()
        ]
        return lambda parts: ensemble.mix([member(parts) for member in members])
    paths = workspace.stores(split, config.features)
    for path, fitted in zip(paths, run.provenance["stores"], strict=True):
        with FeatureStore.open(path) as store:
            _check_encoder(store.provenance["encoder"], fitted["encoder"], run, source=str(path))
    if config.features not in stores:
        stores[config.features] = _open(paths, stack)
    model = Model.load(run.folder / "head")
    return lambda parts: model.predict(parts[config.features])


def _open(paths: Sequence[Path], stack: ExitStack) -> FeatureRows:
    try:
        return stack.enter_context(open_features(paths))
    except StoreError:
        # several stores with their rows in different orders can only be joined in memory;
        # whatever else is wrong is told again
        return read_features(paths)


def _slices(n_rows: int) -> Iterator[slice]:
    """Consecutive rows; one empty slice where there are none, so that a file has its header."""
    for start in range(0, max(n_rows, 1), ROWS_AT_ONCE):
        yield slice(start, min(start + ROWS_AT_ONCE, n_rows))


def extract_for(
    run: Run,
    table: Table,
    *,
    images: Path | str,
    out: Path,
    settings: ExtractSettings,
    pretrained: str | None = None,
    progress: Progress | None = None,
) -> ExtractSummary:
    """Put `table` through stage one with the encoder that the run was fitted on.

    `pretrained` says where its weights are, where that is neither a tag nor in `settings`.

    Raises `RunError` where the run joins several feature sets or used imported embeddings.
    """
    origins = [origin["encoder"] for origin in run.provenance["stores"]]
    if len(origins) > 1 or "weights_sha256" not in origins[0]:
        names = " and ".join(origin["name"] for origin in origins)
        raise RunError(
            "a table goes through one encoder that mmfeat can run",
            f"{run.name} was fitted on embeddings of {names}",
            "make the stores with `mmfeat extract` or `mmfeat import`, and name their --split",
        )
    fitted = origins[0]
    if pretrained is None:
        same = settings.model == fitted["name"]
        pretrained = settings.pretrained if same else fitted.get("pretrained", "")
    settings = replace(
        override(settings, pretrained=pretrained),
        model=fitted["name"],
        precision=fitted["precision"],
        label_prompts=None,  # a head that compares with prompts has kept them
    )
    encoder = load_encoder_for(settings)
    _check_encoder(encoder.provenance, fitted, run, source=settings.pretrained)
    return extract_table(
        table, images=images, encoder=encoder, out=out, settings=settings, progress=progress
    )


def read_statuses(run: Run, workspace: Workspace, split: str) -> dict[str, list[str]]:
    """What became of each row of `split` in stage one, e.g. ``image_status``: ok, corrupt, …

    With several feature sets their names stand in front, e.g. ``clip_image_status``.
    """
    features = run.config.features
    prefixes = [f"{name}_" for name in features] if len(features) > 1 else [""]
    found = {}
    for prefix, path in zip(prefixes, workspace.stores(split, features), strict=True):
        with FeatureStore.open(path) as store:
            for modality, codes in store.statuses.items():
                found[f"{prefix}{modality}_status"] = [Status(code).label for code in codes]
    return found


def write_predictions(
    path: Path,
    scores: Predictions,
    decision: Decision,
    *,
    empty: str,
    decode: str | None = None,
    label_sep: str = " ",
    statuses: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Replace `path` by one row per id: its labels, statuses, and a probability per label.

    `empty` and `decode` as in `Decision.decide`. A label that is called like another column
    has ``p_`` before its name. The suffix decides the format: csv, tsv, jsonl or parquet;
    raises `ConfigError` for others.
    """
    if path.suffix not in WRITERS:
        raise ConfigError(
            f"predictions are written as {', '.join(WRITERS)}",
            f"{path} ends otherwise",
            "choose another name for --out",
        )
    names = np.array(scores.labels, dtype=object)
    taken = {"id", "labels", *(statuses or {})}
    titles = [f"p_{name}" if name in taken else name for name in scores.labels]
    predicted = decision.decide(scores.probabilities, empty=empty, decode=decode)

    def frame(rows: slice) -> pd.DataFrame:
        columns: dict[str, Any] = {
            "id": scores.ids[rows],
            "labels": [label_sep.join(names[row.astype(bool)]) for row in predicted[rows]],
            **{name: values[rows] for name, values in (statuses or {}).items()},
        }
        for title, values in zip(titles, scores.probabilities[rows].T, strict=True):
            columns[title] = values
        return pd.DataFrame(columns)

    with replacing(path) as temporary, WRITERS[path.suffix](temporary) as write:
        for rows in _slices(len(scores.ids)):
            write(frame(rows))


Write = Callable[[pd.DataFrame], None]


@contextmanager
def _delimited(path: Path, *, delimiter: str) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield lambda frame: frame.to_csv(file, index=False, sep=delimiter, header=file.tell() == 0)


@contextmanager
def _json_lines(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield lambda frame: frame.to_json(file, orient="records", lines=True, force_ascii=False)


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    import pyarrow as pa  # noqa: PLC0415 - a third of a second, for this format alone
    import pyarrow.parquet as pq  # noqa: PLC0415

    with ExitStack() as stack:
        writers: list[pq.ParquetWriter] = []

        def write(frame: pd.DataFrame) -> None:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            if not writers:
                writers.append(stack.enter_context(pq.ParquetWriter(path, table.schema)))
            writers[0].write_table(table)

        yield write


WRITERS: dict[str, Callable[[Path], AbstractContextManager[Write]]] = {
    ".csv": partial(_delimited, delimiter=","),
    ".tsv": partial(_delimited, delimiter="\t"),
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}


def _check_encoder(
    encoder: Mapping[str, Any], fitted: Mapping[str, Any], run: Run, *, source: str
) -> None:
    """Compare what decides the numbers of an embedding beyond rounding."""
    for key in ("name", "weights_sha256", "preprocessing", "tokenizer", "context_length"):
        if encoder.get(key) != fitted.get(key):
            raise RunError(
                f"a run predicts features of the encoder it was fitted on; the {key} differs",
                f"{source} has {encoder.get(key)!r}, {run.name} {fitted.get(key)!r}",
                "extract with the run's model and weights",
            )
