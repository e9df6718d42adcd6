"""Fits whose features stay in their files: what they read, and that they find the same."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import lightgbm
import numpy as np
import pytest
import torch

from mmfeat.config import DataSettings, FitSettings
from mmfeat.core.memory import bytes_of
from mmfeat.core.plugins import resolve
from mmfeat.core.workspace import Workspace
from mmfeat.errors import ConfigError, FitError
from mmfeat.extract.importing import store_embeddings
from mmfeat.fit.fusion import FUSIONS
from mmfeat.fit.fusion.fuse import FusedStream, fuse, fuse_stream
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.lightgbm import BIN_ROWS, ChosenRows, LightGBM
from mmfeat.fit.heads.streaming import BLOCK_ROWS, PASS_ROWS, in_order, shuffled
from mmfeat.fit.heads.torch.batches import Source, on_device
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.model import load_model
from mmfeat.fit.models.stacked_model import StackedModel
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import Training, load_training
from mmfeat.store import StoredFeatures, open_features, read_features
from mmfeat.tables import read_table
from mmfeat.types import FloatArray, Fused, IntArray, Matrix

READ_PARTS = [name for name in HEADS if resolve(name, HEADS, "head").reads_parts]
N_ROWS, WIDTH, N_CLASSES = 3000, 12, 4
LITTLE = 200_000  # bytes: a few hundred rows at once


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A store of rows that tell their labels, sorted by the first one; some lack a modality."""
    folder = tmp_path_factory.mktemp("streaming")
    rng = np.random.default_rng(0)
    targets = (rng.random((N_ROWS, N_CLASSES)) < [0.5, 0.3, 0.2, 0.1]).astype(np.uint8)
    targets = targets[np.argsort(targets[:, 0], kind="stable")]
    for modality in ("image", "text"):
        signal = targets @ rng.normal(size=(N_CLASSES, WIDTH))
        values = (signal + rng.normal(size=(N_ROWS, WIDTH))).astype(np.float16)
        values[rng.choice(N_ROWS, 20, replace=False)] = np.nan
        np.save(folder / f"{modality}.npy", values)
    lines = [" ".join(f"l{label}" for label in np.flatnonzero(row)) for row in targets]
    table = folder / "train.csv"
    table.write_text("\n".join(["ImageID,Labels", *(f"{i},{n}" for i, n in enumerate(lines))]))
    space = Workspace(folder / "work")
    store_embeddings(
        read_table(table, data=DataSettings()),
        {m: folder / f"{m}.npy" for m in ("image", "text")},
        out=space.store("train"),
        encoder_name="made-up",
    )
    return space


@pytest.fixture
def stored(workspace: Workspace) -> Iterator[StoredFeatures]:
    with open_features([workspace.store("train")], memory=LITTLE) as features:
        yield features


class Noted:
    """A matrix that notes how many rows were asked for at once."""

    def __init__(self, values: FloatArray, buffer_rows: int, *, in_memory: bool = False) -> None:
        self._values, self.buffer_rows, self.in_memory = values, buffer_rows, in_memory
        self.most = 0

    @property
    def shape(self) -> tuple[int, int]:
        return self._values.shape[0], self._values.shape[1]

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, rows: slice | IntArray, /) -> FloatArray:
        part: FloatArray = self._values[rows]
        self.most = max(self.most, len(part))
        return part


def permute(n: int) -> IntArray:
    order: IntArray = torch.randperm(n).numpy()
    return order


@pytest.mark.parametrize("fusion", [f for f in FUSIONS if FUSIONS[f].kind != "late"])
def test_a_stream_is_what_fuse_makes(
    workspace: Workspace, stored: StoredFeatures, fusion: str
) -> None:
    whole = fuse(read_features([workspace.store("train")]), fusion)
    fused = fuse_stream(stored, fusion)
    assert fused.blocks == whole.blocks
    stream = fused.values
    assert stream.shape == whole.values.shape
    for rows in (slice(0), slice(0, 7), slice(2990, 3010)):
        np.testing.assert_array_equal(stream[rows], whole.values[rows])


@pytest.mark.parametrize("n_rows", [1, 5000, 10_000])
def test_a_pass_in_order_gives_the_chosen_rows(n_rows: int) -> None:
    x = np.arange(20_000, dtype=np.float32).reshape(10_000, 2)
    rows = np.sort(np.random.default_rng(0).choice(10_000, n_rows, replace=False))
    stream = Noted(x, 1)
    found = np.full((n_rows, 2), np.nan, np.float32)
    for at, part in in_order(stream, rows):
        found[at] = part
    np.testing.assert_array_equal(found, x[rows])
    assert stream.most < 10_000


@pytest.mark.parametrize("buffer_rows", [1, 3 * BLOCK_ROWS, 10**6])
@pytest.mark.parametrize("n_batches", [1, 7, 70])
def test_a_shuffled_pass_gives_every_row_once_in_even_batches(
    buffer_rows: int, n_batches: int
) -> None:
    x = np.arange(10_000, dtype=np.float32)[:, None]
    rows = np.flatnonzero(np.arange(10_000) % 3)
    torch.manual_seed(0)
    batches = list(shuffled(Noted(x, buffer_rows), rows, n_batches=n_batches, permute=permute))
    assert len(batches) == n_batches
    sizes = [len(names) for names, _ in batches]
    assert max(sizes) - min(sizes) <= 1
    names = np.concatenate([names for names, _ in batches])
    np.testing.assert_array_equal(np.sort(names), rows)
    np.testing.assert_array_equal(np.concatenate([v for _, v in batches])[:, 0], names)


def test_a_shuffled_pass_mixes_rows_that_stand_apart() -> None:
    x = np.arange(64 * BLOCK_ROWS, dtype=np.float32)[:, None]
    rows = np.arange(len(x))
    stream = Noted(x, 16 * BLOCK_ROWS)
    passes = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        passes.append([n for n, _ in shuffled(stream, rows, n_batches=256, permute=permute)])
    assert stream.most == BLOCK_ROWS
    blocks = [len(np.unique(names // BLOCK_ROWS)) for names in passes[0]]
    assert min(blocks) >= 14  # of 16 in memory: a batch of 256 rows has nearly all of them
    assert all(map(np.array_equal, passes[0], passes[1]))
    assert not np.array_equal(passes[0][0], passes[2][0])


def test_batches_of_a_stream_are_those_of_its_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 5)).astype(np.float32)
    y = (rng.random((2000, 3)) < 0.3).astype(np.uint8)
    rows = torch.from_numpy(np.flatnonzero(rng.random(2000) < 0.6))
    device = torch.device("cpu")
    held, streamed = (Source(s, y, device).chosen(rows) for s in (x, Noted(x, 500)))
    assert len(held) == len(streamed)
    torch.testing.assert_close(held.rates, streamed.rates)
    for one, other in zip(held.in_order(), streamed.in_order(), strict=True):
        torch.testing.assert_close(one[0].sum(), other[0].sum(), atol=1e-3, rtol=0)
    together = [torch.cat(part) for part in zip(*streamed.in_order(), strict=True)]
    torch.testing.assert_close(together[0], torch.from_numpy(x)[rows])
    torch.testing.assert_close(together[1], torch.from_numpy(y)[rows].float())


def load(workspace: Workspace, max_memory: int | None) -> Training:
    training = load_training(workspace, "train", (), max_memory)
    assert isinstance(training.features, StoredFeatures) == (max_memory is not None)
    return training


SETTINGS = {
    "logreg": {},
    "mlp": {"hidden": "32", "epochs": "12", "dropout": "0", "lr": "0.01"},
    "gmlp": {"epochs": "6"},
    "lightgbm": {"trees": "20", "threads": "1"},
}
# What streaming may move a probability by: nothing but rounding where no order is drawn.
CLOSE = {"logreg": 2e-3, "mlp": 0.15, "gmlp": 0.2, "lightgbm": 1e-6}


@pytest.mark.parametrize("head", SETTINGS)
def test_a_streamed_fit_finds_what_a_fit_in_memory_finds(workspace: Workspace, head: str) -> None:
    found = {}
    for max_memory in (None, LITTLE):
        options = FitSettings(
            head=head,
            folds=3,
            max_memory=None if max_memory is None else str(max_memory),
        )
        config = plan_run(options, settings=SETTINGS[head])
        run = fit_run(workspace, config, load(workspace, max_memory))
        assert run.config.max_memory == max_memory
        found[max_memory] = run
    whole, streamed = (run.oof.probabilities for run in found.values())
    assert found[None].name != found[LITTLE].name
    assert np.abs(whole - streamed).mean() < CLOSE[head] / 5
    assert np.quantile(np.abs(whole - streamed), 0.99) < CLOSE[head]
    scores = [run.metrics["oof"]["at_0.5"]["macro_f1"] for run in found.values()]
    assert abs(scores[0] - scores[1]) < 0.02 and scores[1] > 0.7
    features = read_features([workspace.store("train")])
    again = load_model(found[LITTLE]).predict_proba({(): features})
    assert np.abs(again - streamed).mean() < 0.1


@pytest.mark.parametrize("name", READ_PARTS)
def test_heads_that_read_parts_never_ask_for_all_rows(workspace: Workspace, name: str) -> None:
    features = read_features([workspace.store("train")])
    fused, folds = fuse(features, "concat"), np.arange(N_ROWS) % 3
    noted = Noted(fused.values, N_ROWS, in_memory=True)
    head = resolve(name, HEADS, "head").from_settings(SETTINGS.get(name, {}), seed=0)
    left, judged = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    scores = []
    for x in (fused.values, noted):
        given = Fused[Matrix](values=x, blocks=fused.blocks)
        fitted = next(head.fit_folds(given, features.targets, [left]))
        scores.append(fitted.predict_rows(x, judged))
    np.testing.assert_array_equal(*scores)
    assert 0 < noted.most <= PASS_ROWS < N_ROWS
    model = HeadModel.make(head=name, fusion="concat")
    assert isinstance(model.source.fused(features).values, FusedStream)


def test_rows_go_to_a_device_part_by_part() -> None:
    x = np.random.default_rng(0).normal(size=(2 * PASS_ROWS + 3, 4)).astype(np.float32)
    noted = Noted(x, len(x), in_memory=True)
    np.testing.assert_array_equal(on_device(noted, torch.device("cpu")).numpy(), x)
    assert noted.most == PASS_ROWS


@pytest.mark.parametrize("fusion", ["late-mean", "late-stack", "late-sum", "gated"])
def test_other_fusions_stream_as_well(workspace: Workspace, fusion: str) -> None:
    head = "mlp" if fusion == "gated" else "logreg"
    settings = SETTINGS[head] if fusion == "gated" else {}
    if fusion == "late-sum":
        settings = {"decision.epochs": "2"}
    found = []
    for max_memory in (None, LITTLE):
        kind = HeadModel if fusion == "gated" else StackedModel
        model = kind.make(head=head, fusion=fusion, settings=settings)
        training = load(workspace, max_memory)
        scores = np.empty(training.targets.shape, np.float32)
        for _, rows, part in model.cross_validate(training.features, np.arange(N_ROWS) % 3):
            scores[rows] = part
        model.fit(training.features)
        found.append(scores)
    assert np.abs(found[0] - found[1]).mean() < 0.02


@pytest.mark.parametrize("seed", [0, 7])
def test_lightgbm_samples_the_rows_that_it_samples_of_an_array(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_rows = BIN_ROWS + 500
    x = rng.normal(size=(n_rows, 3)).astype(np.float32)
    label = (x[:, 0] + rng.normal(size=n_rows) > 0).astype(np.float32)
    params = LightGBM(seed=seed)._params(1)
    plain = {key: value for key, value in params.items() if key != "data_random_seed"}
    array = lightgbm.Dataset(x, label=label, params=plain)
    rows = lightgbm.Dataset(ChosenRows(x, np.arange(n_rows)), label=label, params=params)
    one, other = (lightgbm.train(plain, data, 3).predict(x) for data in (array, rows))
    np.testing.assert_array_equal(one, other)


def test_what_lightgbm_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: object, **__: object) -> None:
        raise lightgbm.basic.LightGBMError("std::bad_alloc")

    monkeypatch.setattr(lightgbm, "train", train)
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    with pytest.raises(
        FitError, match=r"reports: std::bad_alloc; if memory ran out, fit fewer rows"
    ):
        LightGBM(trees=1).fit(x, (x[:, :1] > 0).astype(np.uint8), blocks=(2,))


def test_lightgbm_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).normal(size=(30_000, 2)).astype(np.float32)
    y = (x[:, :1] > 0).astype(np.uint8)
    LightGBM(trees=1).fit(x, y, blocks=(2,))  # so many rows that it warns of its sample
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(("bins", "buffer_rows"), [(63, 13), (300, 25)])
def test_lightgbm_refuses_more_rows_than_bins_have_memory_for(bins: int, buffer_rows: int) -> None:
    x = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    y = (x[:, :1] > 0).astype(np.uint8)
    head = LightGBM(trees=1, bins=bins)
    assert head.fit(Noted(x, buffer_rows), y, blocks=(2,)).predict_proba(x).shape == (400, 1)
    few = Noted(x, buffer_rows - 1)
    with pytest.raises(
        FitError, match=r"400 rows × 2 numbers .* fit 384 rows or fewer.* 1\.1 times"
    ):
        next(head.fit_folds(Fused(values=few, blocks=(2,)), y, [np.arange(300)] * 2))
    assert few.most == 0


def test_stopping_early_works_on_a_stream(workspace: Workspace) -> None:
    settings = SETTINGS["mlp"] | {"patience": "2", "lr": "0.05"}
    config = plan_run(FitSettings(head="mlp", folds=2, max_memory=str(LITTLE)), settings=settings)
    run = fit_run(workspace, config, load(workspace, LITTLE))
    assert all(fold["validation"] for fold in run.history["concat"])


def test_what_cannot_be_streamed_is_told(workspace: Workspace) -> None:
    training = load(workspace, LITTLE)
    for head, settings, told in (
        ("knn", {}, "knn holds all rows in memory"),
        ("logreg", {"criterion": "ap"}, "average precision sorts all scores"),
        ("mlp", {"batch": "0"}, "streamed go by batches"),
    ):
        config = plan_run(FitSettings(head=head, max_memory=str(LITTLE)), settings=settings)
        with pytest.raises(FitError, match=told):
            fit_run(workspace, config, training)


def test_little_is_read_into_memory_and_much_is_not(workspace: Workspace) -> None:
    n_bytes = N_ROWS * 2 * WIDTH * 2
    for max_memory, in_memory in ((20 * n_bytes, True), (20 * n_bytes - 1, False)):
        features = load_training(workspace, "train", (), max_memory).features
        assert isinstance(features, StoredFeatures) != in_memory


def test_another_process_opens_the_same_files(stored: StoredFeatures) -> None:
    again = pickle.loads(pickle.dumps(stored))
    assert again.ids == stored.ids and again.memory == stored.memory
    np.testing.assert_array_equal(
        again.part(slice(5, 9)).embeddings["image"][0],
        stored.part(slice(5, 9)).embeddings["image"][0],
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("2GiB", 2**31), ("1.5g", 3 * 2**29), ("800 MB", 800 * 2**20), ("123", 123), ("4kb", 4096)],
)
def test_sizes_are_read(text: str, value: int) -> None:
    assert bytes_of(text) == value


@pytest.mark.parametrize("text", ["", "two", "-1", "0", "1XB", "GiB"])
def test_what_is_no_size_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="2GiB"):
        bytes_of(text)


def test_rows_at_once_follow_from_the_memory(workspace: Workspace) -> None:
    few, many = (
        fuse_stream(open_features([workspace.store("train")], memory=memory), "concat").values
        for memory in (LITTLE, 100 * LITTLE)
    )
    assert 0 < few.buffer_rows < many.buffer_rows
