"""Training of torch heads: early stopping, schedules, averaging, losses that blow up."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from mmfeat.errors import ConfigError, FitError
from mmfeat.fit.heads.gmlp import GMLP, TokenGate
from mmfeat.fit.heads.mlp import MLP
from mmfeat.fit.heads.torch import batches, training
from mmfeat.fit.heads.torch.batches import Source
from mmfeat.fit.heads.torch.standardise import Standardise
from mmfeat.types import Fused, Matrix
from tests.support.fits.streaming import Noted

N_ROWS, WIDTH = 260, 6


def draw() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N_ROWS, WIDTH)).astype(np.float32)
    y = (x[:, :2] + rng.normal(size=(N_ROWS, 2)) > 0).astype(np.uint8)
    return x, y


def make(**options: object) -> MLP:
    return MLP(**{"hidden": (32,), "batch": 32, "lr": 1e-2, **options})  # type: ignore[arg-type]


def test_early_stopping_keeps_the_best_epoch() -> None:
    x, y = draw()
    head = make(dropout=0.0, epochs=60, patience=3, lr=3e-2).fit(x, y, blocks=(WIDTH,))
    assert head.rounds_ is not None
    assert 1 <= head.rounds_ < 57


def test_it_remembers_the_losses_of_every_epoch(tmp_path: Path) -> None:
    x, y = draw()
    head = make(epochs=60, patience=3, lr=3e-2).fit(x, y, blocks=(WIDTH,))
    assert head.rounds_ is not None
    train, validation = head.history_["train"], head.history_["validation"]
    assert len(train) == len(validation) == head.rounds_ + 3
    assert min(loss for loss in validation if loss is not None) == validation[head.rounds_ - 1]
    head.save(tmp_path)
    assert MLP.load(tmp_path).history_ == head.history_
    refitted = make(rounds=4, epochs=10).fit(x, y, blocks=(WIDTH,))
    assert list(refitted.history_) == ["train"]


def test_a_refit_trains_exactly_as_long() -> None:
    x, y = draw()
    head = make(rounds=4, epochs=10).fit(x, y, blocks=(WIDTH,))
    assert head.rounds_ == 4
    assert (
        head.predict_proba(x)
        != make(rounds=5, epochs=10).fit(x, y, blocks=(WIDTH,)).predict_proba(x)
    ).any()


def test_settled_takes_the_mean_of_the_folds() -> None:
    folds = [make(), make()]
    folds[0].rounds_, folds[1].rounds_ = 4, 7
    assert make().for_refit(folds).rounds == 6  # 5.5, rounded to even


def test_only_a_length_that_follows_from_few_rows_raises_the_rate() -> None:
    x, y = draw()
    usual = MLP.length.rate
    given = MLP(hidden=(8,), batch=130, epochs=2, device="cpu").fit(x, y, blocks=(WIDTH,))
    assert (given.epochs_, given.lr_) == (2, usual)
    free = MLP(hidden=(8,), batch=130, device="cpu").fit(x, y, blocks=(WIDTH,))
    assert (free.epochs_, free.lr_) == (50, 2 * usual)
    final = MLP(hidden=(8,), batch=130, device="cpu").for_refit([free, free])
    assert (final.epochs, final.lr) == (50, 2 * usual)


def test_fitting_leaves_the_random_state_alone() -> None:
    x, y = draw()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    make(epochs=2).fit(x, y, blocks=(WIDTH,))
    assert torch.equal(torch.rand(3), expected)


def test_a_loss_that_is_never_finite_is_told() -> None:
    x, y = draw()
    with pytest.raises(FitError, match=r"epoch 1 .*lr=1e\+30"):
        make(lr=1e30, schedule="constant", epochs=3).fit(x, y, blocks=(WIDTH,))


def test_a_loss_that_breaks_later_keeps_the_last_good_epoch(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = draw()
    calls = iter([True, True, False])
    monkeypatch.setattr(training, "is_finite", lambda network: next(calls))
    with caplog.at_level(logging.WARNING):
        head = make(rounds=10).fit(x, y, blocks=(WIDTH,))
    assert head.rounds_ == 2
    assert "epoch 3" in caplog.text
    assert np.isfinite(head.predict_proba(x)).all()


@pytest.mark.parametrize(
    "options",
    [
        {"ema": 0.9},
        {"batch": 0, "epochs": 60},
        {"schedule": "constant"},
        {"precision": "bf16"},
        {"smoothing": 0.1},
        {"members": 3},
        {"preset": "guo-decision", "hidden": None, "patience": 4},
    ],
)
def test_every_option_trains(options: dict[str, object]) -> None:
    x, y = draw()
    head = make(**{"epochs": 20, "dropout": 0.1, **options}).fit(x[:200], y[:200], blocks=(WIDTH,))
    assert ((head.predict_proba(x[200:]) > 0.5) == y[200:]).mean() > 0.6  # the labels are noisy


def test_members_differ_and_share_their_matrices() -> None:
    x, y = draw()
    head = make(members=4, epochs=2).fit(x, y, blocks=(WIDTH,))
    logits = head._network(torch.from_numpy(x))
    assert logits.shape == (4, N_ROWS, 2)
    assert not torch.allclose(logits[0], logits[1])
    n_shared = sum(p.numel() for p in make(members=1).fit(x, y, blocks=(6,))._network.parameters())
    assert sum(p.numel() for p in head._network.parameters()) < 2.5 * n_shared


def test_the_paper_variant_of_gmlp_gates_channels() -> None:
    x, y = draw()
    head = GMLP(tokens=1, gate="channel", epochs=10, lr=1e-2).fit(x, y, blocks=(WIDTH,))
    assert np.isfinite(head.predict_proba(x)).all()
    with pytest.raises(ConfigError, match="tokens"):
        GMLP(gate="channel").check()


def test_gmlp_mixes_across_tokens() -> None:
    x, y = draw()
    head = GMLP(tokens=3, width=8, epochs=3, lr=1e-2).fit(x, y, blocks=(4, 2))
    block = next(m for m in head._network.modules() if isinstance(m, TokenGate))
    block.eval()
    tokens = torch.randn(6, 1, 8)
    changed = tokens.clone()
    changed[0] += torch.randn(8)
    moved = (block(tokens) - block(changed)).abs().amax(dim=-1)
    assert (moved[1:] > 0).all()  # every token sees a change of the first


@pytest.mark.parametrize("options", [{}, {"width": 32, "tokens": 4}])
def test_narrow_tokens_train_in_float32_on_every_processor(
    options: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = draw()
    monkeypatch.setattr(training, "has_bfloat16", lambda device: True)
    usual, exact, rounded = (
        GMLP(epochs=2, precision=name, **options)  # type: ignore[arg-type]
        .fit(x, y, blocks=(WIDTH,))
        .predict_proba(x)
        for name in ("auto", "fp32", "bf16")
    )
    np.testing.assert_array_equal(usual, exact)
    assert not np.array_equal(usual, rounded)


@pytest.mark.parametrize("options", [{"width": 128}, {"tokens": 1, "gate": "channel"}])
def test_wide_tokens_and_channel_gates_train_in_bfloat16_where_it_is_fast(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = draw()
    monkeypatch.setattr(training, "has_bfloat16", lambda device: True)
    usual, rounded = (
        GMLP(epochs=2, precision=name, **options)  # type: ignore[arg-type]
        .fit(x, y, blocks=(WIDTH,))
        .predict_proba(x)
        for name in ("auto", "bf16")
    )
    np.testing.assert_array_equal(usual, rounded)


def test_standardised_columns_have_mean_zero_and_deviation_one() -> None:
    rows = torch.randn(500, 3) * torch.tensor([1e4, 1e-4, 0.0]) + torch.tensor([3e4, 0.0, 7.0])
    layer = Standardise(3)
    source = Source(rows.numpy(), np.zeros((500, 1), np.uint8), torch.device("cpu"))
    layer.learn(source.chosen(np.arange(500)))
    out = layer(rows)
    torch.testing.assert_close(out.mean(dim=0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        out.std(dim=0, correction=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-3, rtol=0
    )


def test_few_rows_are_read_once_and_many_in_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = draw()
    splits = [np.flatnonzero(np.arange(N_ROWS) % 2 == half) for half in range(2)]
    scores, reads = [], []
    for most in (x.nbytes, x.nbytes - 1):
        monkeypatch.setattr(batches, "HELD", most)
        noted = Noted(x, N_ROWS, in_memory=True)
        fused = Fused[Matrix](values=noted, blocks=(WIDTH,))
        folds = list(make(epochs=6).fit_folds(fused, y, splits))
        reads.append(noted.read)
        scores.append([fold.predict_proba(x) for fold in folds])
    assert reads[0] == N_ROWS
    assert reads[1] > 6 * N_ROWS  # and once more, to standardise
    np.testing.assert_array_equal(scores[0], scores[1])


def test_a_missing_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    x, y = draw()
    with pytest.raises(ConfigError, match="GPU"):
        make(device="cuda").fit(x, y, blocks=(WIDTH,))
