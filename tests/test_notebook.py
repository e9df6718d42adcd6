"""docs/start/table_to_bundle.ipynb, executed as a reader does; it shows what it gives."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

import mmfeat

NOTEBOOK = Path(__file__).parent.parent / "docs" / "start" / "table_to_bundle.ipynb"


def test_the_notebook_runs_as_it_stands(tmp_path: Path) -> None:
    shown, done = (nbformat.read(NOTEBOOK, as_version=4) for _ in range(2))
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(done, timeout=300, kernel_name="python3", resources=where).execute()
    kinds = [
        [sorted({output.output_type for output in cell.get("outputs", ())}) for cell in book.cells]
        for book in (shown, done)
    ]
    assert kinds[0] == kinds[1]
    bundle = mmfeat.load(tmp_path / "winner")
    assert {"1", "3"} <= set(bundle.labels) and bundle.predict(captions="a man") != [()]
