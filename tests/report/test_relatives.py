"""Near-copies on the page, and the curve of the fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.fit.plan import plan_run
from mmfeat.fit.related import warn_of_neighbours
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import Stores
from mmfeat.report import ReportOptions, write_report
from mmfeat.report.relatives.section import MOST_PAIRS, find_relatives
from mmfeat.runs.run import Run
from tests.support.made_up.near import nearly, store_vectors, vectors

N_ROWS, N_COPIES = 230, 20


def fitted(workspace: Workspace, **options: str) -> Run:
    config = plan_run(FitSettings(split="s", head="knn", fusion="image", folds=2, **options))  # type: ignore[arg-type]
    training = Stores.of(config).load(workspace)
    run = fit_run(workspace, config, training)
    warn_of_neighbours(workspace, config, training)
    return run


@pytest.fixture
def copies(workspace: Workspace) -> Workspace:
    rows = vectors(N_ROWS)
    store_vectors(workspace, "s", np.concatenate([rows, nearly(rows[:N_COPIES])]))
    return workspace


def test_the_page_shows_near_copies_and_the_curve(copies: Workspace, tmp_path: Path) -> None:
    fitted(copies)
    for row in (0, N_ROWS):
        Image.new("RGB", (8, 8), (row % 256, 9, 9)).save(tmp_path / f"s{row}.jpg")
    (curve,) = copies.folds.glob("sensitivity-*.json")
    written = curve.stat().st_mtime_ns
    page = write_report(copies.report, copies, options=ReportOptions(images=tmp_path))
    assert page.relatives is not None
    assert (page.relatives.n_copied, page.relatives.n_rows) == (2 * N_COPIES, N_ROWS + N_COPIES)
    assert len(page.relatives.pairs) == MOST_PAIRS
    cosines = [pair.cosine for pair in page.relatives.pairs]
    assert cosines == sorted(cosines)
    text = copies.report.read_text()
    assert "40 of 250 rows have a near-copy" in text and "Neighbours kept together" in text
    assert "stimates do not depend on near neighbours" in text
    assert list(copies.folds.glob("sensitivity-*.json")) == [curve]  # that of the fit
    assert curve.stat().st_mtime_ns == written


def test_where_nothing_was_looked_for_there_is_no_section(copies: Workspace) -> None:
    run = fitted(copies, near_copies="off")
    assert find_relatives(run, copies, images=None, max_thumbnails=0) is None
    on = fitted(copies)
    copies.store("s").unlink()
    assert find_relatives(on, copies, images=None, max_thumbnails=0) is None
    store_vectors(copies, "s", vectors(N_ROWS + N_COPIES, seed=5))  # the same ids, other rows
    assert find_relatives(on, copies, images=None, max_thumbnails=0) is None
