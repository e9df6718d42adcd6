"""The file of scores and label sets that `predict` writes, slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
from mmfeat.predict.sheets import IDS, LABELS, PREDICTED
from mmfeat.tables.read import read_columns
from mmfeat.tables.readers.columns import as_text
from mmfeat.tables.table import Table
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
    own: pd.DataFrame | None = None,
    slice_rows: int = SLICE_ROWS,
) -> None:
    """Replace `path` by one row per id: its labels, statuses, and a probability per label.

    `empty` and `decode` as in `Decision.decide`. What is called like another column has ``p_``
    before its name. With `top`, the columns ``label_1``, ``probability_1`` and so on have the most
    probable labels of each row instead, of a smaller number of labels all; 0: none. The columns
    `own`, see `own_columns`, stand first in place of the ids. The suffix decides the format: csv,
    tsv, jsonl or parquet; raises `ConfigError` for others.
    """
    check_options(path, top=top)
    names = np.array(scores.labels, dtype=object)
    predicted = decision.decide(scores.probabilities, empty=empty, decode=decode)
    first = [IDS, LABELS] if own is None else [*own.columns, PREDICTED]
    states = dict(zip(_titles(list(statuses or {}), first), (statuses or {}).values(), strict=True))
    n_best = 0 if top is None else min(top, len(names))
    best_titles = [
        f"{kind}_{rank + 1}" for rank in range(n_best) for kind in ("label", "probability")
    ]
    titles = _titles(scores.labels if top is None else best_titles, [*first, *states])

    def frame(rows: slice) -> pd.DataFrame:
        columns: dict[str, Any] = {IDS: scores.ids[rows]} if own is None else dict(own.iloc[rows])
        columns[first[-1]] = [label_sep.join(names[row.astype(bool)]) for row in predicted[rows]]
        columns |= {title: values[rows] for title, values in states.items()}
        probabilities = scores.probabilities[rows]
        if top is None:
            columns |= dict(zip(titles, probabilities.T, strict=True))
            return pd.DataFrame(columns)
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
        for rank, at in enumerate(best.T):
            columns[titles[2 * rank]] = names[at]
            columns[titles[2 * rank + 1]] = probabilities[np.arange(len(at)), at]
        return pd.DataFrame(columns)

    with writing(path) as temporary, WRITERS[path.suffix](temporary) as write:
        for rows in slices(len(scores.ids), size=slice_rows):
            write(frame(rows))


def own_columns(table: Table | None, format: str | None) -> pd.DataFrame:
    """The columns of the file of `table`, and ids where it has none, for `write_predictions`.

    Cells that are neither texts nor numbers, truth values or times become texts. Raises
    `ConfigError` without a table, for a `format` of other tools, and where the file has
    predictions already.
    """
    rule = "--keep-columns writes the columns of --table before the predictions"
    if table is None:
        raise ConfigError(rule, "there is no --table", "name it with --table")
    if format is not None:
        raise ConfigError(rule, f"--format {format} has none", "leave out one of them")
    columns = read_columns(Path(table.source), text_col=table.format.text_col or "")[1].values
    if PREDICTED in columns:
        raise ConfigError(
            rule, f"{table.source} has a column {PREDICTED!r} already", "rename or remove it"
        )
    numbered = {} if table.format.id_col is not None else {IDS: list(table.ids)}
    frame = pd.DataFrame({**numbered, **columns}, dtype=object).convert_dtypes()
    for name in frame.select_dtypes(object):
        frame[name] = as_text(frame[name].tolist())
    return frame


def check_options(path: Path, *, top: int | None) -> None:
    """Raise `ConfigError` for a suffix that is no format, and for a `top` below 0."""
    if path.suffix not in WRITERS:
        raise ConfigError(
            f"predictions are written as {', '.join(WRITERS)}",
            f"{path} has another suffix",
            "choose another name for --out",
        )
    check_top(top, least=0)


def check_top(top: int | None, *, least: int) -> None:
    """Raise `ConfigError` for fewer than `least` labels."""
    if top is not None and top < least:
        raise ConfigError(f"--top is at least {least}", f"it is {top}", "use a larger number")


def _titles(names: Sequence[str], taken: Collection[str]) -> list[str]:
    """Give each name a column of its own, with ``p_`` before names that another one has."""
    titles: list[str] = []
    for name in names:
        title = name
        while title in taken or title in titles or (title != name and title in names):
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
        how: dict[str, Any] = {"orient": "records", "lines": True, "force_ascii": False}
        yield lambda frame: frame.to_json(file, date_format="iso", **how)


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
