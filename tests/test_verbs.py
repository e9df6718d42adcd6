"""The public verbs: what `import mmfeat` offers, and that they are the commands."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import mmfeat
from mmfeat.config import DataSettings, ExtractSettings, FitSettings
from mmfeat.errors import ConfigError
from mmfeat.extract.options import ExtractOptions
from mmfeat.fit.options import FitOptions, FoldOptions
from mmfeat.tables.table import TableOptions
from mmfeat_cli.main import COMMANDS

VERBS = [name for name in mmfeat.PUBLIC if name.islower()]
COMMAND_OF = {
    "import_embeddings": "import",
    "learning_curve": "learning-curve",
    "tune": "tune-thresholds",
    "open_store": "inspect",
    "open_run": "runs",
    "load": "predict",
    "rank_runs": "runs",
    "compare_runs": "runs",
    "remove_run": "runs",
}


def in_a_fresh_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_verb_is_a_command() -> None:
    assert {COMMAND_OF.get(verb, verb) for verb in VERBS} <= set(COMMANDS)


def test_verbs_stay_functions_whatever_is_imported() -> None:
    """Each import first of all, in one process: loading torch again and again would take long."""
    code = f"""
import sys
for before in (
    "",
    "import mmfeat.fit.heads",
    "from mmfeat.fit.heads import HEADS",
    "from mmfeat.extract.encoders import load_encoder",
    "import mmfeat.compare.plan, mmfeat.predict.scores, mmfeat.report",
    "mmfeat.fit; import mmfeat.fit.plan",
    "mmfeat.heads.KNN",
):
    for name in [name for name in sys.modules if name.partition(".")[0] == "mmfeat"]:
        del sys.modules[name]
    import mmfeat
    exec(before)
    assert all(callable(getattr(mmfeat, name)) for name in {VERBS}), before
    from mmfeat.fit.heads import HEADS
    from mmfeat.extract.run import extract_table
    import mmfeat.fit
    assert mmfeat.fit.__name__ == "fit" and mmfeat.heads.LogReg.name == "logreg", before
    assert not set(mmfeat.__all__) - set(dir(mmfeat)), before
print("good")
"""
    assert in_a_fresh_process(code) == "good"


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = mmfeat.nonsense  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = mmfeat.heads.Nonsense
    assert set(mmfeat.__all__) == {*mmfeat.PUBLIC, "__version__", "heads"}


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("fit", {"seed": "x"}),
        ("fit", {"folds": "4"}),
        ("fit", {"features": "ab"}),
        ("fit", {"max_memory": 5}),
        ("fit", {"settings": "k=3"}),
        ("compare", {"heads": "knn"}),
        ("search", {"trials": 2.5}),
        ("extract", {"batch_size": "8"}),
        ("import_embeddings", {"table": 3}),
        ("check", {"table": 3}),
        ("tune", {"beta": "2"}),
        ("predict", {"run": 3}),
        ("submit", {"check": "yes"}),
        ("score", {"submission": "a.csv", "truth": 3}),
        ("report", {"runs": "one"}),
        ("open_store", {"split": 3}),
        ("open_run", {"name": Path("artifacts/runs/one")}),
    ],
)
def test_an_option_of_a_wrong_type_is_one_line(verb: str, arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"^{list(arguments)[-1]} is .*; it is .*; "):
        getattr(mmfeat, verb)(**arguments)


def test_every_verb_checks_its_arguments() -> None:
    assert all(hasattr(getattr(mmfeat, verb), "__wrapped__") for verb in VERBS)


def test_heads_are_a_module_of_their_own_name() -> None:
    code = """
import mmfeat, sys
from mmfeat.heads import LogReg
import mmfeat.heads as heads
import mmfeat.fit as fit
assert heads is mmfeat.heads and fit is mmfeat.fit and callable(fit)
assert LogReg is heads.LogReg
print("lightgbm" in sys.modules, dir(heads))
"""
    names = "['GMLP', 'HEADS', 'KNN', 'LightGBM', 'LogReg', 'MLP', 'Ridge', 'ZeroShot']"
    assert in_a_fresh_process(code) == f"False {names}"


def test_the_types_of_options_are_the_fields_of_the_settings() -> None:
    def keys(section: type) -> set[str]:
        return {f.name for f in fields(section)}

    table = set(TableOptions.__annotations__)
    extract = set(ExtractOptions.__annotations__)
    assert table == keys(DataSettings) - {"images"}
    assert extract | table == keys(DataSettings) | keys(ExtractSettings)
    fold, fit = set(FoldOptions.__annotations__), set(FitOptions.__annotations__)
    assert fold | fit == keys(FitSettings) - {"split"}


def test_the_whole_way_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 6)).astype(np.float32)
    names = np.array(["cat", "dog", "cow"])
    rows = [
        f"{i}.jpg," + " ".join(names[x[i, :3] > 0] if (x[i, :3] > 0).any() else ["cat"])
        for i in range(80)
    ]
    Path("train.csv").write_text("\n".join(["ImageID,Labels", *rows]))
    Path("test.csv").write_text("\n".join(["ImageID", *(row.split(",")[0] for row in rows)]))
    Path("sample.csv").write_text(
        "\n".join(["ImageID,Labels", *(f"{i}.jpg,cat" for i in range(80))])
    )
    np.save("x.npy", x)
    for split in ("train", "test"):
        summary = mmfeat.import_embeddings(f"{split}.csv", image="x.npy")
        assert summary.n_rows == 80
    with mmfeat.open_store("train") as store:
        assert store.labels == ("cat", "cow", "dog")
    run = mmfeat.fit("train", head="logreg", fusion="image", settings={"C": 1.0}, folds=3)
    assert run.metrics["oof"]["at_0.5"]["macro_f1"] > 0.8
    assert run.oof.probabilities.shape == (80, 3)
    assert run.tune("samples-f1").objective == "samples-f1"
    assert mmfeat.tune(run, objective="macro-f1").objective == "macro-f1"
    board = mmfeat.compare("train", heads=["logreg", "knn"], fusions=["image"], folds=3)
    frame = board.to_frame()
    assert list(frame["head"]) == [entry.head for entry in board.entries] and len(frame) == 2
    found = mmfeat.predict(run, split="test")
    assert found.label_sets.shape == (80, 3) and found.path.is_file()
    assert list(found.to_frame().columns) == ["cat", "cow", "dog"]
    sent = mmfeat.submit(run, split="test", sample="sample.csv")
    assert mmfeat.score(sent.path, "train.csv")["macro_f1"] > 0.8
    assert mmfeat.report().path.is_file()
    assert mmfeat.open_run(run.name).name == run.name
    searched = mmfeat.search(head="knn", fusion="image", folds=3, trials=2)
    assert searched.finished and searched.run.is_done
    with pytest.raises(ConfigError, match="did you mean 'folds'"):
        mmfeat.fit("train", fold=3)  # type: ignore[call-arg]
