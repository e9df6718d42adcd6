from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from mmfeat.errors import MmfeatError, SubmissionError
from mmfeat.predict import (
    SubmissionReport,
    check_submission,
    write_submission,
)
from mmfeat.predict.score import score
from tests.support.files import fake_client, put
from tests.support.workspaces import Mmfeat

IDS = ("a.jpg", "b.jpg", "c.jpg")
LABELS = ("1", "2", "10")
PREDICTED = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]], dtype=np.uint8)


def write(path: Path, sample: Path | None = None, **options: object) -> SubmissionReport:
    given = {"ids": IDS, "labels": LABELS, "predicted": PREDICTED, "sample": sample, **options}
    return write_submission(path, **given)  # type: ignore[arg-type]


def test_without_a_sample_the_ids_keep_their_order(tmp_path: Path) -> None:
    report = write(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "ImageID,Labels\na.jpg,1 10\nb.jpg,2\nc.jpg,\n"
    assert (report.rows, report.empty, report.labels_per_row) == (3, 1, 1.0)
    assert report.changes == "" and report.notes == ()


def test_columns_order_delimiter_and_extra_columns_are_the_samples(tmp_path: Path) -> None:
    sample = put(
        tmp_path / "s.tsv", "Labels\tUsage\tImageID\n1\tx\tc.jpg\n1\ty\ta.jpg\n1\tz\tb.jpg\n"
    )
    report = write(tmp_path / "out.tsv", sample)
    assert (tmp_path / "out.tsv").read_text() == (
        "Labels\tUsage\tImageID\n\tx\tc.jpg\n1 10\ty\ta.jpg\n2\tz\tb.jpg\n"
    )
    assert "order" in report.notes[0]
    assert check_submission(tmp_path / "out.tsv", sample, labels=LABELS).rows == 3


def test_a_label_separator_that_is_the_delimiter_is_quoted(tmp_path: Path) -> None:
    write(tmp_path / "out.csv", label_sep=",")
    assert 'a.jpg,"1,10"' in (tmp_path / "out.csv").read_text()
    truth = tmp_path / "out.csv"
    assert score(truth, truth, label_sep=",")["macro_f1"] == 1.0


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("a.jpg,1\nb.jpg,1\n", "in excess 1 of 2: c.jpg"),
        ("a.jpg,1\nb.jpg,1\nc.jpg,1\nd.jpg,1\n", "lacks 1 of 4: d.jpg"),
        ("a.jpg,1\nb.jpg,1\nb.jpg,1\nc.jpg,1\n", "occurs in rows 3 and 4"),
        ("a.jpg,1\n,1\n", "it is empty"),
        ("a.jpg,1,7\n", "has 3"),
    ],
)
def test_ids_that_do_not_fit_the_sample_are_refused(tmp_path: Path, rows: str, found: str) -> None:
    sample = put(tmp_path / "s.csv", "ImageID,Labels\n" + rows)
    with pytest.raises(SubmissionError, match=found):
        write(tmp_path / "out.csv", sample)
    assert not (tmp_path / "out.csv").exists()


def test_labels_that_hold_the_separator_are_not_torn(tmp_path: Path) -> None:
    labels = ("traffic light", "dog", "cat")
    with pytest.raises(SubmissionError, match="traffic light"):
        write(tmp_path / "out.csv", labels=labels)
    write(tmp_path / "out.csv", labels=labels, label_sep="|")
    assert "a.jpg,traffic light|cat" in (tmp_path / "out.csv").read_text()


def test_double_ids_of_the_scores_are_refused(tmp_path: Path) -> None:
    sample = put(tmp_path / "s.csv", "ImageID,Labels\na.jpg,1\nb.jpg,1\n")
    for given in (sample, None):
        with pytest.raises(SubmissionError, match=r"a\.jpg"):
            write(tmp_path / "out.csv", given, ids=("a.jpg", "b.jpg", "a.jpg"))


def test_missing_columns_and_broken_files_are_told(tmp_path: Path) -> None:
    wrong = put(tmp_path / "s.csv", "Id,Labels\na.jpg,1\n")
    with pytest.raises(SubmissionError, match="ImageID"):
        write(tmp_path / "out.csv", wrong)
    with pytest.raises(SubmissionError, match="is not there"):
        write(tmp_path / "out.csv", tmp_path / "none.csv")
    with pytest.raises(SubmissionError, match="empty"):
        write(tmp_path / "out.csv", put(tmp_path / "e.csv", ""))
    (tmp_path / "latin.csv").write_bytes(b"ImageID,Labels\n\xe9,1\n")
    with pytest.raises(SubmissionError, match="UTF-8"):
        write(tmp_path / "out.csv", tmp_path / "latin.csv")


def test_multihot_and_probabilities_take_the_samples_columns(tmp_path: Path) -> None:
    sample = put(tmp_path / "s.csv", "ImageID,10,1,2\nb.jpg,0,0,0\na.jpg,0,0,0\nc.jpg,0,0,0\n")
    write(tmp_path / "hot.csv", sample)
    assert (tmp_path / "hot.csv").read_text() == (
        "ImageID,10,1,2\nb.jpg,0,0,1\na.jpg,1,1,0\nc.jpg,0,0,0\n"
    )
    shares = np.array([[0.9, 0.1, 0.5], [0.25, 0.75, 0], [0, 0.125, 0.25]], dtype=np.float32)
    write(tmp_path / "p.csv", sample, format="probabilities", probabilities=shares)
    assert "b.jpg,0,0.25,0.75" in (tmp_path / "p.csv").read_text()
    assert check_submission(tmp_path / "p.csv", sample).empty == 1
    scored = score(tmp_path / "p.csv", tmp_path / "hot.csv")
    assert scored["macro_f1"] == 1.0 and scored["map"] == 1.0 and scored["brier"] > 0
    with pytest.raises(SubmissionError, match="10"):
        write(
            tmp_path / "out.csv",
            put(tmp_path / "t.csv", "ImageID,1,2\na.jpg,0,0\nb.jpg,0,0\nc.jpg,0,0\n"),
        )
    with pytest.raises(MmfeatError, match="format"):
        write(tmp_path / "out.csv", format="xml")
    with pytest.raises(SubmissionError, match="probabilities"):
        write(tmp_path / "out.csv", format="probabilities")


@pytest.mark.parametrize("how", ["labels", "multihot", "probabilities"])
def test_rows_written_some_at_a_time_are_those_written_all_at_once(
    tmp_path: Path, how: str
) -> None:
    rng = np.random.default_rng(0)
    ids = [f'{row}, "x".jpg' if row % 5 == 0 else f"{row}.jpg" for row in range(50)]
    shares = rng.random((50, 3), dtype=np.float32)
    predicted = (shares > 0.6).astype(np.uint8)
    order = rng.permutation(50)
    columns = ["Labels"] if how == "labels" else list(LABELS)
    texts = {
        "labels": [
            [" ".join(name for name, on in zip(LABELS, r, strict=True) if on)] for r in predicted
        ],
        "multihot": [[str(on) for on in r] for r in predicted],
        "probabilities": [[f"{share:.6g}" for share in r.tolist()] for r in shares],
    }[how]
    header = [columns[-1], "Usage", "ImageID", *columns[:-1]]

    def put_sheet(path: Path, cells: list[list[str]]) -> Path:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=";", lineterminator="\n")
            writer.writerow(header)
            for row in order:
                writer.writerow([cells[row][-1], f"u;{row}", ids[row], *cells[row][:-1]])
        return path

    sample = put_sheet(tmp_path / "s.csv", [["0.5"] * len(columns)] * 50)
    expected = put_sheet(tmp_path / "expected.csv", texts)
    for changes in ("", "0 rows changed, 0 labels added, 0 removed"):
        report = write(
            tmp_path / "out.csv",
            sample,
            ids=ids,
            predicted=predicted,
            probabilities=shares,
            format=how,
            rows_in_memory=7,
        )
        assert (tmp_path / "out.csv").read_bytes() == expected.read_bytes()
        assert report.changes == changes


def test_a_second_run_says_what_changed(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    write(out)
    assert write(out).changes == "0 rows changed, 0 labels added, 0 removed"
    other = PREDICTED.copy()
    other[2, 1] = 1
    other[0, :] = (0, 1, 1)
    assert write(out, predicted=other).changes == "2 rows changed, 2 labels added, 1 removed"
    report = write(out, ids=("a.jpg", "b.jpg", "z.jpg"))
    assert "1 row is new, 1 row is gone" in report.changes
    put(out, "not a submission\n")
    assert "no submission" in write(out).changes


def test_the_commands_agree_check_and_score(
    mmfeat: Mmfeat, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: object) -> str:
        result = mmfeat(*arguments)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    run("fit", "--head", "knn", "--folds", "2")
    for objective in ("macro-f1", "samples-f1"):
        told = run("tune-thresholds", "--objective", objective)
        assert all(word in told for word in ("at_0.5", "nested", "95 % interval", "optimism"))
        for decode in ("thresholds", "expected-f1"):
            for empty in ("top1", "blank"):
                options = ("--decode", decode, "--empty", empty)
                run("submit", "--out", "s.csv", *options)
                run("predict", "--out", "p.csv", *options)
                with Path("s.csv").open() as file:
                    submitted = {row["ImageID"]: row["Labels"] for row in csv.DictReader(file)}
                with Path("p.csv").open() as file:
                    rows = list(csv.DictReader(file))
                assert {row["id"]: row["labels"] for row in rows} == submitted
                assert {row["image_status"] for row in rows} == {"ok"}
    assert "rows changed" in mmfeat("submit", "--out", "s.csv").stderr
    assert "60 rows" in run("submit", "--check", "--out", "s.csv")
    result = mmfeat("score", "s.csv", "solution.csv", "--worst", "3")
    assert "worst rows" in result.stdout and "zero_division" in result.stdout
    Path("s.csv").write_text("ImageID,Labels\n")
    broken = mmfeat("submit", "--check", "--out", "s.csv")
    assert broken.exit_code == 1 and "lacks 60 of 60" in broken.stderr
    for suffix in ("parquet", "jsonl"):
        run("predict", "--out", f"p.{suffix}")
    first = json.loads(Path("p.jsonl").read_text().splitlines()[0])
    assert {"id", "labels", "image_status", "text_status", "1"} <= set(first)
    fake_client(project, "echo uploaded")
    monkeypatch.setenv("PATH", f"{project}{os.pathsep}/usr/bin{os.pathsep}/bin")
    told = run("submit", "--out", "s.csv", "--kaggle", "scenes", "--message", "one")
    assert told.endswith("uploaded\n")
