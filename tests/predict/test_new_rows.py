"""`predict --table` answers from the pictures and captions that it is given."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.errors import RunError
from mmfeat.export.predictor import Predictor
from mmfeat.runs.listing import find_run
from tests.support.workspaces import Mmfeat, error_line


@pytest.fixture
def fitted(fitted_project: Path, demo_project: Path) -> Path:
    """A project with a run and two folders of four of its pictures."""
    table = pd.read_csv(demo_project / "train.csv").head(4)
    table[["ImageID", "Caption"]].to_csv("day.csv", index=False)
    table = table.rename(columns={"ImageID": "file", "Caption": "words"})
    table[["file", "words"]].to_csv("named.csv", index=False)
    images = demo_project / "data" / "images"
    images = images if images.is_dir() else next(demo_project.rglob(table.file[0])).parent
    for folder, shift in (("one", 0), ("two", 1)):
        (fitted_project / folder).mkdir()
        for row in range(4):
            source = images / table.file[(row + shift) % 4]
            shutil.copy(source, fitted_project / folder / table.file[row])
    return fitted_project


def predict(mmfeat: Mmfeat, images: str, *more: object, table: str = "day.csv") -> pd.DataFrame:
    result = mmfeat("predict", "--table", table, "--images", images, "--out", "o.csv", *more)
    assert result.exit_code == 0, result.stderr
    return pd.read_csv("o.csv").assign(told=result.stderr)


def test_other_pictures_of_the_same_names_are_other_predictions(
    fitted: Path, mmfeat: Mmfeat
) -> None:
    before = sorted(path.name for path in (fitted / "artifacts" / "features").iterdir())
    one, two, again = (predict(mmfeat, folder) for folder in ("one", "two", "one"))
    assert not one.drop(columns="told").equals(two.drop(columns="told"))
    assert one.drop(columns="told").equals(again.drop(columns="told"))
    assert "already complete" not in one.told[0] + two.told[0]
    assert "already complete" in again.told[0]
    assert sorted(p.name for p in (fitted / "artifacts" / "features").iterdir()) == before
    assert mmfeat("clean").exit_code == 0
    assert not list((fitted / "artifacts").glob("cache/*"))


def test_columns_may_be_named(fitted: Path, mmfeat: Mmfeat) -> None:
    line = error_line(mmfeat, "predict", "--table", "named.csv", "--images", "one")
    assert "--id-col" in line
    columns = ("--id-col", "file", "--text-col", "words", "--keep-columns")
    named = predict(mmfeat, "one", *columns, table="named.csv")
    assert list(named)[:3] == ["file", "words", "predicted_labels"]
    assert "no --table" in error_line(mmfeat, "predict", "--images", "one", "--keep-columns")
    as_fitted = predict(mmfeat, "one")
    named = named.rename(columns={"file": "id", "predicted_labels": "labels"})
    assert named.drop(columns=["told", "words"]).equals(as_fitted.drop(columns="told"))


def test_pictures_that_are_not_there(fitted: Path, mmfeat: Mmfeat) -> None:
    for path in sorted((fitted / "one").iterdir())[:3]:
        path.unlink()
    line = error_line(mmfeat, "predict", "--table", "day.csv", "--images", "one")
    assert "3 of 4 images" in line and line.endswith("use --on-bad-image allow")
    allowed = predict(mmfeat, "one", "--on-bad-image", "allow")
    assert sorted(allowed.image_status) == ["missing"] * 3 + ["ok"]


def test_what_is_no_run_is_told_for_what_it_is(fitted: Path, mmfeat: Mmfeat) -> None:
    picture = next((fitted / "one").iterdir())
    (run,) = (fitted / "artifacts" / "runs").iterdir()
    for given, remedy in (
        (f"one/{picture.name}", f"`mmfeat predict --image one/{picture.name}`"),
        ("one", "`mmfeat predict --images one`"),
        ("day.csv", "`mmfeat predict --table day.csv`"),
        ("artifacts/features/test.h5", "`mmfeat predict --split test`"),
        (run, f"name it: {run.name}"),
    ):
        assert remedy in error_line(mmfeat, "predict", given)


def test_one_row_is_printed_as_its_table_is_predicted(fitted: Path, mmfeat: Mmfeat) -> None:
    result = mmfeat("export", "--to", "winner")
    assert result.exit_code == 0, result.stderr
    first = predict(mmfeat, "one").iloc[0]
    caption = pd.read_csv("day.csv").Caption[0]
    row = ("--image", f"one/{first.id}", "--caption", caption, "--top", 2)
    for which in ([], ["winner"]):
        result = mmfeat("predict", *which, *row)
        assert result.exit_code == 0, result.stderr
        printed = [line.split() for line in result.stdout.splitlines()[1:]]
        assert len(printed) == max(2, len(str(first.labels).split()))
        for label, probability, *_ in printed:
            assert abs(float(probability) - first[label]) < 0.01
    assert "--top is at least 1" in error_line(mmfeat, "predict", "--caption", "a", "--top", 0)
    assert "no such file" in error_line(mmfeat, "predict", "winner", "--image", "nothing.jpg")
    assert mmfeat("predict", "winner", *row, "--out", "x.csv").exit_code == 2
    assert "name its run" in error_line(mmfeat, "tune-thresholds", "winner")


def test_a_folder_of_images_is_predicted_as_rows_without_captions(
    fitted: Path, mmfeat: Mmfeat
) -> None:
    table = pd.read_csv("day.csv")
    table.assign(Caption="").sort_values("ImageID").to_csv("day.csv", index=False)
    by_table = predict(mmfeat, "one").drop(columns="told")
    (fitted / "one" / "sub").mkdir()
    (fitted / "one" / "sub" / "broken.jpg").write_bytes(b"no image")
    (fitted / "one" / "notes.txt").touch()
    for top in ([], ["--top", 2]):
        result = mmfeat("predict", "--images", "one", "--out", "o.csv", *top)
        assert result.exit_code == 0, result.stderr
    for told in ("no row of one has captions", "1 other file, e.g. notes.txt", "4 ok, 1 corrupt"):
        assert told in result.stderr
    best = pd.read_csv("o.csv")
    assert list(best.id) == [*by_table.id, "sub/broken.jpg"]
    assert list(best.labels[:4]) == list(by_table.labels)
    assert list(best.probability_1[:4]) == list(by_table.iloc[:, 4:].max(axis=1))
    assert list(best.columns[4:]) == ["label_1", "probability_1", "label_2", "probability_2"]
    assert mmfeat("predict", "--images", "one", "--out", "o.csv", "--top", 0).exit_code == 0
    pd.testing.assert_frame_equal(pd.read_csv("o.csv"), best.iloc[:, :4])
    for wrong in (["--split", "test"], ["--id-col", "a"]):
        assert wrong[0] in error_line(mmfeat, "predict", "--images", "one", *wrong)


def test_what_a_run_does_not_look_at_is_not_encoded(fitted: Path, mmfeat: Mmfeat) -> None:
    fit = mmfeat("fit", "--head", "knn", "--fusion", "text", "--folds", 3, "--name", "text")
    assert fit.exit_code == 0, fit.stderr
    line = error_line(mmfeat, "predict", "text", "--images", "one")
    assert "text looks at captions, and no row of one has any" in line
    picture = next((fitted / "one").glob("*.jpg"))
    assert "text looks at captions" in error_line(mmfeat, "predict", "text", "--image", picture)
    model = Predictor.of(find_run(Workspace(Path("artifacts")), "text"))
    with pytest.raises(RunError, match="text looks at captions"):
        model.predict([picture, None], ["", None])
    assert model.predict_proba([]).shape == (0, len(model.labels))
    line = error_line(mmfeat, "predict", "text", "--table", "day.csv", "--images", "ones")
    assert line.endswith("did you mean 'one'? Else name the folder with --images")
    found = predict(mmfeat, "one", "text")
    assert "text_status" in found and "image_status" not in found
    pd.read_csv("day.csv")[["ImageID"]].to_csv("bare.csv", index=False)
    line = error_line(mmfeat, "predict", "text", "--table", "bare.csv")
    assert "no column of captions" in line and "--text-col" in line
