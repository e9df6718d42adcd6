"""The commands of the guides: all are understood, and all that other tests do not run, run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import typer
from typer.main import get_command

from mmfeat_cli.main import app
from tests.support.pages import replaced, run_here

GUIDES = Path(__file__).parent.parent / "docs" / "guides"
CHEAP = {  # what a test can afford
    r"--heads \S+": "--heads ridge,knn",
    r"--fusions \S+": "--fusions image,concat",
    r" --losses \S+ --seeds \d+": "",
    r"--budget 10m --jobs 2": "--budget 10m",
    r"--trials \d+": "--trials 1",
    r"(search|fit) --head \S+": r"\1 --head ridge",
    r" --features l14 --features siglip2 --features l14,siglip2": "",
    r"ViT-B-32, timm:resnet101.a1_in1k, ": "",
    r"--features ViT-B-32 --features \S+": "--features tiny-demo-random --heads ridge",
    r"--rows-per-file 1000000": "long.csv --rows-per-file 100 --split long",
    r"--split train --encoder-name": "--split given --encoder-name",
    r"--head ridge --fusion text": "--head ridge --fusion text --split given",
    r"convert SOURCE TO": "convert SOURCE TO --images pictures",
    r"^check$": "check TO/train.csv",
    r"--split unlabelled": "--split test",
    r"\bOLD NEW\b": "one two",
    r"export RUN": "export one",
}
ELSEWHERE = ("ray", "hub", "--host", "serve winner$")  # other tests have clusters, hubs and clients


class Line(NamedTuple):
    """A command of a page."""

    page: str
    arguments: tuple[str, ...]


def lines_of(page: Path) -> list[Line]:
    found = re.findall(r"^    (?:\S+=\S+ )?mmfeat (.*)$", page.read_text(), re.MULTILINE)
    return [Line(page.stem, tuple(shlex.split(line, comments=True))) for line in found]


LINES = [line for page in sorted(GUIDES.glob("*.md")) for line in lines_of(page)]


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line.arguments))
def test_it_is_understood(line: Line) -> None:
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    with group.make_context("mmfeat", ["--help"], resilient_parsing=True) as context:
        name, command, arguments = group.resolve_command(context, list(line.arguments))
        assert command is not None
        command.make_context(name, arguments, parent=context)


@pytest.fixture
def project_of_a_reader(fitted_project: Path, demo_project: Path) -> Path:
    """The current folder, with the files and runs that the pages speak of."""
    shutil.copytree(demo_project / "data", "data")
    pictures = Path("data").resolve()
    header, *rows = Path("train.csv").read_text().splitlines()
    names = [row.split(",")[0] for row in rows]
    for name, lines in {"items": rows[:40], "long": rows}.items():
        Path(f"{name}.csv").write_text("\n".join([header, *lines]))
    pd.merge(pd.read_csv("test.csv"), pd.read_csv("solution.csv")).to_csv("labelled.csv")
    products = [f"{k},{a}|{b},a dog|a cat" for k, (a, b) in enumerate(pairwise(names[:9]))]
    Path("products.csv").write_text("\n".join(["ImageID,photos,titles", *products]))
    made = np.random.default_rng(0).normal(size=(len(rows), 8))
    np.save("embeddings.npy", made.astype(np.float32))
    shutil.copy(pictures / names[0], "a.jpg")
    Path("photographs").mkdir()
    shutil.copy(pictures / names[1], "photographs")
    coco = {
        "images": [{"id": 1, "file_name": names[2]}],
        "annotations": [{"image_id": 1, "category_id": 7}],
        "categories": [{"id": 7, "name": "dog"}],
    }
    Path("SOURCE").write_text(json.dumps(coco))
    Path("images").symlink_to(pictures)
    Path("pictures").symlink_to(pictures)
    for name in ("one", "two"):
        assert run_here(["fit", "--head", "knn", "--folds", "2", "--name", name])[1] == 0
    assert run_here(["export", "one", "--to", "winner"])[1] == 0
    return fitted_project


@pytest.mark.parametrize("page", sorted({line.page for line in LINES}))
def test_it_runs_in_a_project(page: str, project_of_a_reader: Path) -> None:
    texts = [" ".join(map(quoted, line.arguments)) for line in LINES if line.page == page]
    run = [text for text in texts if not any(re.search(word, text) for word in ELSEWHERE)]
    assert run
    for text in run:
        printed, status = run_here(shlex.split(replaced(text, CHEAP)))
        assert status == 0, (text, printed)


def quoted(argument: str) -> str:
    return f'"{argument}"' if " " in argument or "|" in argument else argument
