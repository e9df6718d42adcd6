"""docs/start/first_job.md as a new user follows it: every command, its output, the right values."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from mmfeat.runs.run import Run
from mmfeat.store import FeatureStore
from tests.support.pages import BLOCK, Step, follow, plain, run_here

PAGE = Path(__file__).parent.parent / "docs" / "start" / "first_job.md"


class FirstJob:
    """The page, followed command by command in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._steps = follow(PAGE.read_text(), folder, self.run)

    def to(self, start: str) -> Step:
        """Go on to the next command that starts so; everything before it ends well."""
        for step in self._steps:
            if step.command.startswith(start):
                return step
            assert step.status == 0, step
        raise AssertionError(f"the page has no further {start}")

    def end(self) -> None:
        """Follow the page to its end."""
        for step in self._steps:
            assert step.status == 0, step

    def run(self, command: str) -> Step:
        """Run a command as the page's reader does, those of mmfeat in this process."""
        name, *arguments = shlex.split(command)
        if name == "mmfeat":
            return Step(command, *run_here(arguments))
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return Step(command, done.stdout, done.returncode)

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / name, keep_default_na=False)

    def store(self) -> tuple[tuple[str, ...], list[bytes]]:
        """Labels and embeddings of the store, whose rows are those of the table as it is."""
        with FeatureStore.open(self.folder / "artifacts" / "features" / "train.h5") as store:
            items = self.table("items.csv")
            assert list(store.ids) == list(items.photo)
            assert store.captions is not None and list(store.captions) == list(items.title)
            targets = [[int(x in tags.split("|")) for x in store.labels] for tags in items.tags]
            assert store.targets is not None and store.targets.tolist() == targets
            embeddings = [
                np.ascontiguousarray(store.embeddings(m)).tobytes() for m in store.modalities
            ]
            return store.labels, embeddings

    def board(self, step: Step) -> pd.DataFrame:
        """The leaderboard, after `step` named its best run, its estimate and what comes next."""
        board = pd.read_csv(self.folder / "artifacts" / "leaderboard.csv")
        assert board.nested.is_monotonic_decreasing
        best = board.iloc[0]
        *_, name, nested, following = step.printed.splitlines()
        assert name == f"best: {best.run}"
        assert nested.startswith(f"nested macro-f1 {best.nested:.4f} (95 % interval")
        assert following == "next: mmfeat report, mmfeat predict, or mmfeat export"
        oof = Run(self.folder / "artifacts" / "runs" / best.run).oof
        at_half = f1_score(oof.targets, oof.probabilities >= 0.5, average="macro", zero_division=0)
        assert abs(at_half - best["at_0.5"]) < 1e-6
        return board


def probabilities(answers: pd.DataFrame) -> NDArray[np.float64]:
    return np.asarray(answers.iloc[:, 4:], dtype=np.float64)


def test_the_page_is_narrow() -> None:
    lines = [line for _, text in BLOCK.findall(PAGE.read_text()) for line in text.splitlines()]
    assert sum(line.startswith("$ mmfeat ") for line in lines) >= 10
    assert [line for line in lines if len(line) > 80] == []


def test_a_first_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    job = FirstJob(tmp_path)
    check_the_table(job)
    assert job.to("mmfeat extract").status == 0
    labels, embeddings = job.store()
    first = job.board(job.to("mmfeat compare"))
    assert len(first) == 4
    check_new_rows(job, first)
    check_one_picture(job)

    updated = job.to("mmfeat extract")
    assert "0 of 1,200 image rows and 0 of 1,200 text rows are new" in plain(updated.printed)
    new_labels, kept = job.store()
    assert kept == embeddings
    assert set(new_labels) == set(labels) - {"Key", "Ladder"} | {"Tool"}

    second = job.board(job.to("mmfeat compare"))
    assert len(second) == 4 and not set(second.run) & set(first.run)
    third = job.board(job.to("mmfeat compare"))
    assert len(third) == 5
    before = dict(zip(second.run, second.nested, strict=True))
    assert before == {run: third.nested[third.run == run].item() for run in second.run}
    again = job.to("mmfeat predict")
    assert f"run {third.run[0]}: best of the last comparison" in again.printed
    assert set(job.table("answers.csv").columns[4:]) == set(new_labels)

    listed = re.findall(r"^(\S+-[0-9a-f]{8}) ", job.to("mmfeat runs").printed, re.MULTILINE)
    assert listed[:5] == list(third.run)
    assert sorted(listed[5:]) == sorted(first.run)
    job.end()
    page = (tmp_path / "artifacts" / "report.html").read_text()
    answer = page[page.index('class="answer"') :].partition("</p>")[0]
    assert f"{third['head'][0]} × {third.fusion[0]}" in answer
    assert f'<data value="{third.nested[0]}">' in answer
    assert all(run in page for run in third.run)


def check_the_table(job: FirstJob) -> None:
    refused = job.to("mmfeat check items.csv")
    assert refused.status == 1 and "--id-col" in refused.printed
    checked = job.to("mmfeat check items.csv --id-col").printed
    tags = job.table("items.csv").tags.str.split("|").explode().value_counts()
    told = [f"{tag} {count}" for tag, count in tags.items()]
    assert f"{len(tags)} of tags, separated by '|'; {tags.sum() / 1200:.1f} per row" in checked
    most, least = ", ".join(told[:3]), ", ".join(told[-3:])
    assert f"most frequent: {most}; least frequent: {least}" in " ".join(checked.split())


def check_new_rows(job: FirstJob, board: pd.DataFrame) -> None:
    predicted = job.to("mmfeat predict")
    assert f"run {board.run[0]}: best of the last comparison" in predicted.printed
    answers = job.table("answers.csv")
    assert list(answers.id) == list(job.table("new.csv").photo)
    nouns = job.table("scenes/prompts.csv").groupby("label").prompt.first()
    truth = job.table("scenes/solution.csv").Labels.str.split()
    overlaps = []
    for said, true in zip(answers.labels.str.split("|"), truth, strict=True):
        names = {nouns[int(label)].split()[-1].title() for label in true}
        overlaps.append(2 * len(names.intersection(said)) / (len(names) + len(said)))
    assert np.mean(overlaps) > 0.8


def check_one_picture(job: FirstJob) -> None:
    """The answer is that of the picture that is given, whatever its name."""
    one = job.to("mmfeat predict --table one.csv").command
    answers, answer = job.table("answers.csv"), job.table("one-answer.csv")
    same = answers[answers.id == "1230.jpg"]
    assert list(answer.labels) == list(same.labels)
    assert np.allclose(probabilities(answer), probabilities(same), atol=0.02)
    shutil.copy(job.folder / "scenes" / "data" / "1201.jpg", job.folder / "today" / "0.jpg")
    assert job.run(one.replace("one-answer", "other-answer")).status == 0
    other = probabilities(job.table("other-answer.csv"))
    assert not np.allclose(other, probabilities(answer), atol=0.1)
    stores = [path.name for path in (job.folder / "artifacts" / "features").glob("*.h5")]
    assert stores == ["train.h5"]  # none of the tables that were predicted
