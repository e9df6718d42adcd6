"""What each tracker was sent is read back with the tracker's own means."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmfeat.config import FitSettings
from mmfeat.core.files import write_json, write_text
from mmfeat.core.workspace import Workspace
from mmfeat.decide.tune import tune
from mmfeat.errors import PluginError, RunError
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs.run import Run
from mmfeat.tracking import TRACKERS, Tracker
from mmfeat.tracking.record import read_record
from tests.support.workspaces import Mmfeat

LOSSES = {"concat": [{"train": [0.7, 0.5, 0.4], "validation": [0.8, None, 0.6]}]}
CURVE = "loss/concat/fold-1/validation"


def client_of(name: str) -> Any:
    """A parameter that is skipped where the tracker's client is missing."""
    reason = f"{name} is not installed; pip install 'mmfeat[{name}]'"
    missing = importlib.util.find_spec(name) is None
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=reason))


INSTALLED = [client_of(name) for name in TRACKERS]


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_DIR", "WANDB_MODE", "WANDB_PROJECT"
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(workspace: Workspace) -> Run:
    """A tuned run with a report, and with the losses of a head that trains in epochs."""
    config = plan_run(FitSettings(head="knn", folds=3), settings={"neighbours": "9"})
    made = fit_run(workspace, config, load_training(workspace, "train"), name="mine")
    made.write_decision(tune(made.oof))
    write_json(made.folder / "history.json", LOSSES)
    made.finish()
    write_text(workspace.root / "report.html", "<h1>report</h1>")
    return made


def test_a_record_holds_what_is_known(run: Run, workspace: Workspace) -> None:
    record = read_record(run, workspace, {"search/macro-f1": [0.5, None]})
    assert record.parameters["head"] == "knn"
    assert record.parameters["set.neighbours"] == "9"
    oof = run.decision.oof
    for table in ("at_0.5", "tuned", "nested"):
        assert record.metrics[f"{table}/macro_f1"] == oof[table]["macro_f1"]
    assert record.metrics["bytes"] == run.metrics["bytes"]
    assert record.curves[CURVE] == [0.8, None, 0.6]
    assert record.curves["search/macro-f1"] == [0.5, None]
    assert [path.name for path in record.files] == [
        "config.json", "metrics.json", "thresholds.json", "history.json", "report.html"
    ]  # fmt: skip
    assert read_record(run, workspace, {}).key == record.key


def test_a_run_that_was_not_tuned_has_no_more(run: Run, workspace: Workspace) -> None:
    for name in ("thresholds.json", "history.json"):
        (run.folder / name).unlink()
    run.finish()
    (workspace.root / "report.html").unlink()
    record = read_record(run, workspace, {})
    assert record.metrics["at_0.5/map"] == run.metrics["oof"]["at_0.5"]["map"]
    assert not any(name.startswith("nested") for name in record.metrics)
    assert record.curves == {}
    (run.folder / "metrics.json").write_text("no json")
    with pytest.raises(RunError, match="metrics"):
        read_record(run, workspace, {})


@pytest.mark.parametrize("name", INSTALLED)
def test_everything_arrives_and_is_replaced_when_it_is_sent_again(
    name: str, run: Run, workspace: Workspace
) -> None:
    tracker = Tracker(name, workspace)
    tracker.track(run)
    write_json(run.folder / "history.json", {"concat": [{"validation": [0.9, 0.3]}]})
    run.finish()
    tracker.track(run)
    params, metrics, curve, files = {"mlflow": of_mlflow, "wandb": of_wandb}.get(
        name, of_tensorboard
    )(workspace.tracking)
    record = read_record(run, workspace, {})
    assert params == record.parameters
    assert metrics == {key: pytest.approx(value) for key, value in record.metrics.items()}
    assert [step for step, _ in curve] == [1, 2]
    assert [value for _, value in curve] == pytest.approx([0.9, 0.3])
    assert files == {path.name for path in record.files}


Sent = tuple[dict[str, str], dict[str, float], list[tuple[int, float]], set[str]]


def of_mlflow(folder: Path) -> Sent:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("mmfeat")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "mine"
    curve = client.get_metric_history(found.info.run_id, CURVE)
    metrics = {k: v for k, v in found.data.metrics.items() if not k.startswith("loss/")}
    files = {info.path for info in client.list_artifacts(found.info.run_id)}
    assert all(list((folder / "mlflow").rglob(name)) for name in files)
    return found.data.params, metrics, [(each.step, each.value) for each in curve], files


def of_tensorboard(folder: Path) -> Sent:
    from tensorboard.backend.event_processing import event_accumulator  # noqa: PLC0415
    from tensorboard.plugins.hparams import plugin_data_pb2  # noqa: PLC0415

    events = event_accumulator.EventAccumulator(str(folder / "tensorboard" / "mine")).Reload()
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    hparams = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    scalars = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
    texts = {tag.removesuffix("/text_summary") for tag in events.Tags()["tensors"]}
    return (
        {key: value.string_value for key, value in hparams.items()},
        {tag: each[0].value for tag, each in scalars.items() if not tag.startswith("loss/")},
        [(each.step, each.value) for each in scalars[CURVE]],
        texts,
    )


def of_wandb(folder: Path) -> Sent:
    from wandb.proto import wandb_internal_pb2  # noqa: PLC0415

    message: Any = wandb_internal_pb2

    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    params: dict[str, str] = {}
    metrics: dict[str, float] = {}
    curve: list[tuple[int, float]] = []
    for data in leveldb_records(path.read_bytes()):
        record = message.Record.FromString(data)
        for item in record.run.config.update:
            if item.key != "_wandb":
                params[item.key] = json.loads(item.value_json)
        for item in record.summary.update:
            key = item.key or "/".join(item.nested_key)
            if not key.startswith(("_", "loss")):
                metrics[key] = json.loads(item.value_json)
        row = {i.key or "/".join(i.nested_key): i.value_json for i in record.history.item}
        if CURVE in row:
            curve.append((record.history.step.num, json.loads(row[CURVE])))
    files = {file.name for file in (path.parent / "files").iterdir()}
    return params, metrics, curve, files - {"requirements.txt", "wandb-metadata.json"}


def leveldb_records(data: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format: blocks of 32 KiB, pieces of crc, length, kind.

    W&B's begins with 7 bytes of its own.
    """
    at, parts = 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield parts
            parts = b""


@pytest.mark.parametrize("name", INSTALLED)
def test_fit_sends_its_run_and_prints_what_it_always_prints(
    name: str,
    mmfeat: Mmfeat,
    workspace: Workspace,
    capfd: pytest.CaptureFixture[str],
) -> None:
    arguments = ("fit", "-w", workspace.root, "--head", "knn", "--folds", "3", "--name", "mine")
    mmfeat(*arguments)
    plain = mmfeat(*arguments)
    tracked = mmfeat(*arguments, "--track", name)
    assert tracked.exit_code == 0, tracked.stderr
    assert tracked.stdout == plain.stdout
    before, added = plain.stderr.splitlines(), set(tracked.stderr.splitlines())
    assert added.issuperset(before) and len(tracked.stderr.splitlines()) == len(before) + 1
    assert any(line.startswith(f"{name} has run mine: ") for line in added)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_client_is_named_before_the_work(name: str, workspace: Workspace) -> None:
    code = f"import sys; sys.modules[{name!r}] = None; from mmfeat_cli.main import main; main()"
    arguments = ["fit", "-w", str(workspace.root), "--head", "knn", "--track", name]
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert f"pip install 'mmfeat[{name}]'" in result.stderr
    assert not workspace.runs.exists()


def test_an_unknown_tracker_is_refused(mmfeat: Mmfeat, workspace: Workspace) -> None:
    result = mmfeat("fit", "-w", workspace.root, "--track", "none")
    assert result.exit_code == 1
    assert "mlflow, wandb, tensorboard" in result.stderr


@pytest.mark.parametrize("name", [client_of("mlflow")])
def test_mlflow_takes_any_folder_and_refuses_a_broken_file_at_once(
    name: str, run: Run, workspace: Workspace, tmp_path: Path
) -> None:
    odd = Workspace(tmp_path / "a b%20{x}?#é")
    Tracker(name, odd).track(run)
    assert (odd.tracking / "mlflow.db").exists()
    assert list(odd.tracking.glob("mlflow/*/artifacts/metrics.json"))
    workspace.tracking.mkdir()
    (workspace.tracking / "mlflow.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(PluginError, match="file is not a database"):
        Tracker(name, workspace).track(run)


@pytest.mark.parametrize("name", [client_of("mlflow")])
def test_mlflow_goes_where_its_own_variable_says(
    name: str, run: Run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mine.db'}")
    monkeypatch.chdir(tmp_path)
    Tracker(name, workspace).track(run)
    assert (tmp_path / "mine.db").exists()
    assert not workspace.tracking.exists()


@pytest.mark.parametrize("name", [client_of("wandb")])
def test_wandb_goes_where_its_own_variable_says(
    name: str, run: Run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "mine"))
    Tracker(name, workspace).track(run)
    assert list(tmp_path.glob("mine/wandb/offline-run-*"))
    assert not workspace.tracking.exists()


@pytest.mark.parametrize("name", [client_of("wandb")])
def test_wandb_takes_no_settings_from_the_current_folder(
    name: str, run: Run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client: Any = pytest.importorskip(name)
    write_text(tmp_path / "wandb/settings", "[default]\nbase_url = http://127.0.0.1:1\n")
    monkeypatch.chdir(tmp_path)
    init, addresses = client.init, []

    def noted(**options: Any) -> Any:
        started = init(**options)
        addresses.append(started.settings.base_url)
        return started

    monkeypatch.setattr(client, "init", noted)
    Tracker(name, workspace).track(run)
    assert addresses and "127.0.0.1" not in addresses[0]


@pytest.mark.parametrize("name", [client_of("tensorboard")])
def test_search_sends_its_best_run_with_the_values_of_the_trials(
    name: str, mmfeat: Mmfeat, workspace: Workspace
) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed; pip install 'mmfeat[search]'")
    from tensorboard.backend.event_processing import event_accumulator  # noqa: PLC0415

    result = mmfeat(
        "search", "-w", workspace.root, "--head", "knn", "--folds", "3", "--trials", "3",
        "--track", name,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    (place,) = (workspace.tracking / name).iterdir()
    assert place.name.startswith("search-knn")
    events = event_accumulator.EventAccumulator(str(place)).Reload()
    assert [each.step for each in events.Scalars("search/macro-f1")] == [1, 2, 3]
