"""The verb `import_embeddings`: a feature store from embeddings that exist already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Unpack

from mmfeat.core.checks import check_arguments
from mmfeat.core.settings import override_all
from mmfeat.core.workspace import open_project
from mmfeat.errors import ConfigError
from mmfeat.extract.importing.embeddings import store_embeddings
from mmfeat.extract.summary import ExtractSummary
from mmfeat.tables.find_columns import with_labels
from mmfeat.tables.several import read_tables
from mmfeat.tables.summary import TableSummary, summarise_table
from mmfeat.tables.table import TableOptions


@check_arguments
def import_embeddings(
    table: Path | str,
    *,
    image: Path | str | None = None,
    text: Path | str | None = None,
    modalities: Mapping[str, Path | str] | None = None,
    prompts: Path | str | None = None,
    split: str | None = None,
    features: str | None = None,
    out: Path | str | None = None,
    encoder_name: str = "imported",
    rows_per_file: int = 0,
    workspace: Path | str | None = None,
    on_table: Callable[[TableSummary], None] = lambda summary: None,
    **columns: Unpack[TableOptions],
) -> ExtractSummary:
    """Make a store from embeddings of any encoder, rows aligned with the table.

    Parameters
    ----------
    table
        csv, tsv, parquet or jsonl.
    image, text
        Files of embeddings (n, d): .npy, .npz, .pt, .parquet, or a folder of clip-retrieval.
    modalities
        The same of any other modality, by name.
    prompts
        Embeddings of the labels' prompts, (k, d).
    split, features, out
        Name of the store (the table's, unless given), of its feature set, or its path.
    encoder_name
        What made the embeddings; runs predict embeddings of the same name alone.
    on_table
        Hears what the table holds, before the store is written.
    columns
        How the table is read, see `mmfeat.config.DataSettings`.

    Raises
    ------
    MmfeatError
        `TableError` for the table, `ExtractError` for the embeddings, `StoreError` for the store.
    """
    settings, space = open_project(workspace)
    (data,) = override_all(columns, settings.data)
    data = with_labels(columns, data)
    sources: dict[str, Path] = {}
    for name, source in [("image", image), ("text", text), *(modalities or {}).items()]:
        if source is None:
            continue
        if name in sources:
            raise ConfigError(
                "the embeddings of a modality must be given once",
                f"those of {name} are given twice",
                "leave one of them out",
            )
        sources[name] = Path(source)
    path = Path(table)
    name = split or path.stem
    tables = read_tables({name: path}, data=data, given=columns, unlabelled=settings.submit.split)
    on_table(summarise_table(tables[name]))
    return store_embeddings(
        tables[name],
        sources,
        out=Path(out) if out else space.store(name, features),
        encoder_name=encoder_name,
        prompts=Path(prompts) if prompts else None,
        rows_per_file=rows_per_file,
    )
