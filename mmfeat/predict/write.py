"""The file of scores and label sets that `predict` writes, slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmfeat.core.files import writing
from mmfeat.core.memory import SLICE_ROWS, slices
from mmfeat.decide.decision import Decision
from mmfeat.errors import ConfigError
from mmfeat.predict.sheets import IDS, LABELS
from mmfeat.types import Predictions


def write_predictions(
    path: Path,
    scores: Predictions,
    decision: Decision,
    *,
    empty: str,
    decode: str | None = None,
    label_sep: str = " ",
    statuses: Mapping[str, Sequence[str]] | None = None,
    top: int | None = None,
    slice_rows: int = SLICE_ROWS,
) -> None:
    """Replace `path` by one row per id: its labels, statuses, and a probability per label.

    `empty` and `decode` as in `Decision.decide`. A label that is called like another column
    has ``p_`` before its name. With `top`, the columns ``label_1``, ``probability_1`` and so on
    have the most probable labels of each row instead, of a smaller number of labels all. The
    suffix decides the format: csv, tsv, jsonl or parquet; raises `ConfigError` for others.
    """
    check_options(path, top=top)
    names = np.array(scores.labels, dtype=object)
    titles = _titles(scores.labels, {IDS, LABELS, *(statuses or {})})
    predicted = decision.decide(scores.probabilities, empty=empty, decode=decode)

    def frame(rows: slice) -> pd.DataFrame:
        columns: dict[str, Any] = {
            IDS: scores.ids[rows],
            LABELS: [label_sep.join(names[row.astype(bool)]) for row in predicted[rows]],
            **{name: values[rows] for name, values in (statuses or {}).items()},
        }
        probabilities = scores.probabilities[rows]
        if top is None:
            columns |= dict(zip(titles, probabilities.T, strict=True))
            return pd.DataFrame(columns)
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
        for rank, at in enumerate(best.T, start=1):
            columns[f"label_{rank}"] = names[at]
            columns[f"probability_{rank}"] = probabilities[np.arange(len(at)), at]
        return pd.DataFrame(columns)

    with writing(path) as temporary, WRITERS[path.suffix](temporary) as write:
        for rows in slices(len(scores.ids), size=slice_rows):
            write(frame(rows))


def check_options(path: Path, *, top: int | None) -> None:
    """Raise `ConfigError` for a suffix that is no format, and for a `top` below 1."""
    if path.suffix not in WRITERS:
        raise ConfigError(
            f"predictions are written as {', '.join(WRITERS)}",
            f"{path} has another suffix",
            "choose another name for --out",
        )
    check_top(top)


def check_top(top: int | None) -> None:
    """Raise `ConfigError` for less than one label."""
    if top is not None and top < 1:
        raise ConfigError("--top is at least 1", f"it is {top}", "use a larger number")


def _titles(labels: Sequence[str], taken: set[str]) -> list[str]:
    """Give each label a column of its own, with ``p_`` before names that another one has."""
    titles: list[str] = []
    for label in labels:
        title = label
        while title in taken or title in titles or (title != label and title in labels):
            title = f"p_{title}"
        titles.append(title)
    return titles


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
