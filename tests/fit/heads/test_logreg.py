"""Logistic regression: the optimum, the path, and choices that do not look at their fold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from mmfeat.errors import ConfigError
from mmfeat.fit.heads import logreg
from mmfeat.fit.heads.logreg import LogReg
from mmfeat.fit.heads.solvers import logistic
from mmfeat.fit.heads.solvers.lbfgs import Point, average_precision, log_loss
from mmfeat.fit.heads.solvers.lbfgs_streamed import StreamedProblems
from mmfeat.fit.heads.solvers.logistic import PATH, Solver
from mmfeat.fit.heads.solvers.products import CoarseProducts, Products
from mmfeat.fit.heads.solvers.prompted import prompted_weights
from mmfeat.types import Fused
from tests.support.fits.streaming import Noted

N_ROWS, WIDTH, N_LABELS = 300, 10, 3


def draw(*, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N_ROWS, WIDTH)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    logits = x @ rng.normal(size=(WIDTH, N_LABELS)) * 6 - 1
    y = (logits + noise * rng.logistic(size=logits.shape) > 0).astype(np.uint8)
    return x, y


def splits_of(n_folds: int) -> list[np.ndarray]:
    folds = np.arange(N_ROWS) % n_folds
    return [np.flatnonzero(folds != fold) for fold in range(n_folds)]


@pytest.mark.parametrize("strength", [0.1, 10.0, 1000.0])
def test_the_optimum_is_that_of_scikit_learn(strength: float) -> None:
    x, y = draw()
    ours = LogReg(C=strength, tolerance=1e-9).fit(x, y, blocks=(WIDTH,)).predict_proba(x)
    for label in range(N_LABELS):
        theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=5000).fit(x, y[:, label])
        np.testing.assert_allclose(ours[:, label], theirs.predict_proba(x)[:, 1], atol=1e-3)


def test_separable_classes_converge() -> None:
    x, _ = draw()
    y = (x[:, :1] > 0).astype(np.uint8)
    scores = LogReg(C=1e4).fit(x, y, blocks=(WIDTH,)).predict_proba(x)
    assert ((scores > 0.5) == y).all()


def test_folds_solved_together_equal_folds_solved_alone() -> None:
    x, y = draw()
    head = LogReg(C=10.0, tolerance=1e-9)
    for fold, rows in zip(
        head.fit_folds(Fused(values=x, blocks=(WIDTH,)), y, splits_of(3)), splits_of(3), strict=True
    ):
        alone = LogReg(C=10.0, tolerance=1e-9).fit(x[rows], y[rows], blocks=(WIDTH,))
        np.testing.assert_allclose(fold.predict_proba(x), alone.predict_proba(x), atol=1e-3)


@pytest.mark.parametrize("criterion", ["log-loss", "ap"])
@pytest.mark.parametrize("choose", ["shared", "per-class"])
def test_the_chosen_strength_is_as_good_as_any_on_the_path(criterion: str, choose: str) -> None:
    x, y = draw(noise=3.0)

    def loss(**options: object) -> float:
        head = LogReg(**options)  # type: ignore[arg-type]
        scores = np.empty(y.shape, dtype=np.float32)
        for fold, rows in zip(
            head.fit_folds(Fused(values=x, blocks=(WIDTH,)), y, splits_of(5)),
            splits_of(5),
            strict=True,
        ):
            out = np.setdiff1d(np.arange(N_ROWS), rows)
            scores[out] = fold.predict_proba(x[out])
        p = scores.clip(1e-6, 1 - 1e-6)
        return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())

    fixed = [loss(C=C) for C in (0.1, 1.0, 10.0, 1000.0)]
    assert loss(criterion=criterion, choose=choose) < min(fixed) + 0.01


def test_the_choice_for_a_fold_does_not_see_its_labels() -> None:
    x, y = draw(noise=3.0)
    splits = splits_of(3)
    out = np.setdiff1d(np.arange(N_ROWS), splits[0])
    first = next(LogReg(choose="per-class").fit_folds(Fused(values=x, blocks=(WIDTH,)), y, splits))
    costs = [h._costs for h in LogReg().fit_folds(Fused(values=x, blocks=(WIDTH,)), y, splits)]
    others = np.sum(costs[1:], axis=0).argmin(axis=1)
    path = np.logspace(-1, 3, 9)
    for label in range(N_LABELS):
        alone = LogReg(C=path[others[label]]).fit(x[splits[0]], y[splits[0]], blocks=(WIDTH,))
        np.testing.assert_allclose(
            first.predict_proba(x[out])[:, label], alone.predict_proba(x[out])[:, label], atol=5e-3
        )


@pytest.mark.parametrize("steps", [1, logistic.COARSE_STEPS])
@pytest.mark.parametrize("scale", ["unit", "columns of other scale and offset"])
def test_costs_and_solutions_by_bfloat16_are_those_of_float32(
    scale: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = draw()
    if scale != "unit":
        x = (x * np.logspace(-1, 1, WIDTH) + np.linspace(-100, 100, WIDTH)).astype(np.float32)
    fused = Fused(values=x, blocks=(WIDTH,))
    monkeypatch.setattr(logreg, "PATH_TOLERANCE", 1e-4)  # the usual one hides differences
    monkeypatch.setattr(logistic, "COARSE_NUMBERS", 0)
    monkeypatch.setattr(logistic, "COARSE_STEPS", steps)
    noted = []

    class NotedProducts(CoarseProducts):
        def further(self, z: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
            noted.append(len(z))
            return super().further(z, step)

    monkeypatch.setattr(logistic, "CoarseProducts", NotedProducts)

    def fitted(found: bool, **options: float) -> list[LogReg]:
        monkeypatch.setattr(logistic, "has_bfloat16", lambda device: found)
        return list(LogReg(**options).fit_folds(fused, y, splits_of(3)))  # type: ignore[arg-type]

    paths = [np.stack([head._costs for head in fitted(found)]) for found in (False, True)]
    walked = np.isfinite(paths[0]) & np.isfinite(paths[1])
    assert noted and walked.any(axis=2).all()
    np.testing.assert_allclose(paths[0][walked], paths[1][walked], rtol=0.01)
    strength = 100 / float(np.square(x).sum(axis=1).mean())
    for one, other in zip(fitted(False, C=strength), fitted(True, C=strength), strict=True):
        np.testing.assert_allclose(one.predict_proba(x), other.predict_proba(x), atol=1e-3)


def test_products_in_bfloat16_keep_rows_of_large_offset() -> None:
    x = torch.randn(200, 8, generator=torch.manual_seed(0)) + 1000
    w = torch.randn(9, 3, generator=torch.manual_seed(1))
    exact, coarse = Products(x), CoarseProducts(x, x.mean(dim=0))
    np.testing.assert_allclose(coarse.logits(w), exact.logits(w), atol=0.05)
    rest = exact.logits(w) - exact.logits(w).mean(dim=0)
    close = coarse.slope_of(rest, slice(None)), exact.slope_of(rest, slice(None))
    np.testing.assert_allclose(*close, atol=0.01 * float(x.std(dim=0).max() * rest.abs().sum()))


def test_small_losses_keep_their_digits() -> None:
    z = torch.tensor([[20.0, -20.0, 3.0]], dtype=torch.float32)
    y = torch.tensor([[1, 0, 1]], dtype=torch.uint8)
    expected = np.log1p(np.exp([[-20.0, -20.0, -3.0]]))
    np.testing.assert_allclose(log_loss(z, y).numpy(), expected, rtol=1e-5)


def test_average_precision_of_a_known_ranking() -> None:
    scores = torch.tensor([[0.9], [0.8], [0.7], [0.1]])
    targets = torch.tensor([[1.0], [0.0], [1.0], [0.0]])
    assert average_precision(scores, targets).item() == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("options", [{"C": -1.0}, {"choose": "best"}, {"criterion": "f1"}])
def test_wrong_options_are_told(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        LogReg(**options).check()  # type: ignore[arg-type]


def test_a_single_split_chooses_by_folds_of_its_own() -> None:
    x, y = draw(noise=3.0)
    rows = np.arange(200)
    (fold,) = LogReg().fit_folds(Fused(values=x, blocks=(WIDTH,)), y, [rows])
    alone = LogReg().fit(x[rows], y[rows], blocks=(WIDTH,))
    np.testing.assert_array_equal(fold.predict_proba(x), alone.predict_proba(x))


def test_only_fits_far_from_the_optimum_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 60)).astype(np.float32)
    y = (x[:, :2] > 0).astype(np.uint8)  # separable, so that float32 is the limit
    LogReg(C=1e4).fit(x, y)
    assert not caplog.messages
    LogReg(C=1e4, max_steps=1).fit(x, y)
    (told,) = caplog.messages
    assert "2 logistic regressions are not at the optimum" in told and "max_steps=10" in told


def test_rows_outside_a_split_do_not_choose_c_of_a_stream() -> None:
    x, y = draw(noise=3.0)
    rows = np.arange(0, N_ROWS, 2)
    other = np.where(np.isin(np.arange(N_ROWS), rows)[:, None], y, 1 - y)
    streamed = [
        next(LogReg().fit_folds(Fused(values=Noted(x, 50), blocks=(WIDTH,)), targets, [rows]))
        for targets in (y, other)
    ]
    first, second = (head.predict_proba(x) for head in streamed)
    np.testing.assert_array_equal(first, second)
    in_memory = LogReg().fit(x[rows], y[rows]).predict_proba(x)
    np.testing.assert_allclose(first, in_memory, atol=1e-4)


def test_rounding_does_not_make_a_stream_search_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[Tensor] = []
    at = StreamedProblems.at

    def noting(problems: StreamedProblems, w: Tensor, ridge: Tensor) -> Point:
        passes.append(w)
        return at(problems, w, ridge)

    monkeypatch.setattr(StreamedProblems, "at", noting)
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(40, 6)) @ rng.normal(size=(6, 128))).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = np.eye(40, 16, dtype=np.uint8)  # of one positive each: small losses of large logits
    stream = Fused(values=Noted(x, 50), blocks=(128,))
    (streamed,) = LogReg(C=1000).fit_folds(stream, y, [np.arange(40)])
    assert len(passes) < 100  # 269 if rounding counts as a rise
    in_memory = LogReg(C=1000).fit(x, y)
    np.testing.assert_allclose(streamed.predict_proba(x), in_memory.predict_proba(x), atol=1e-4)


def drawn_with_prompts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of two blocks; the first is near the prompts of its labels, the second is noise."""
    rng = np.random.default_rng(0)
    prompts = rng.normal(size=(N_LABELS, 60)).astype(np.float32)
    y = (rng.random((N_ROWS, N_LABELS)) < 0.3).astype(np.uint8)
    told = y @ prompts + 2 * rng.normal(size=(N_ROWS, 60))
    x = np.hstack([told, 10 * rng.normal(size=told.shape)]).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True), y, np.hstack([prompts, prompts])


def test_prompts_help_few_rows_and_wrong_prompts_do_no_harm() -> None:
    x, y, prompts = drawn_with_prompts()
    few, others = slice(0, 40), slice(40, None)

    def loss(given: np.ndarray, *, use: bool = True) -> float:
        head = LogReg(prompts=use).fit(x[few], y[few], blocks=(60, 60), prompts=given)
        p = head.predict_proba(x[others]).clip(1e-6, 1 - 1e-6)
        return float(-np.log(np.where(y[others], p, 1 - p)).mean())

    without = loss(prompts, use=False)
    assert loss(prompts) < without - 0.1
    assert loss(np.roll(prompts, 7, axis=1)) < without + 0.02


def test_weights_around_prompts_are_those_of_the_least_objective() -> None:
    x, y, prompts = drawn_with_prompts()
    rows, strength = np.arange(N_ROWS), 10.0
    centre = prompted_weights(x, y, rows, prompts=prompts, blocks=(60, 60), seed=0)
    inside, classes = np.ones((N_ROWS, 1), dtype=bool), np.arange(N_LABELS)
    for values in (x, Noted(x, 50)):
        solver = Solver(
            values, y, inside, fold_of=0 * classes, class_of=classes, device="cpu", max_steps=100
        )
        solver.start(centre)
        solver.solve(np.full(N_LABELS, strength), 1e-9)
        w = solver.w.numpy()
        p = 1 / (1 + np.exp(-x @ w[:-1] - w[-1]))
        np.testing.assert_allclose(strength * x.T @ (p - y), centre - w[:-1], atol=2e-2)


def test_prompts_of_classes_that_a_fold_cannot_learn_are_left_out() -> None:
    x, y, prompts = drawn_with_prompts()
    y[:40, 0] = 255
    splits = [np.arange(0, 60), np.arange(40, 100)]
    y[splits[0], 2] = 0
    for values in (x, Noted(x, 50)):
        fused = Fused(values=values, blocks=(60, 60), prompts=prompts)
        heads = list(LogReg().fit_folds(fused, y, splits))
        costs = np.sum([head._costs for head in heads], axis=(0, 1))
        assert costs.argmin() >= len(PATH)  # weights around the prompts
        final = heads[0].for_refit(heads).fit(x, y, blocks=(60, 60), prompts=prompts)
        assert (heads[0].predict_proba(x)[:, 2] == 0).all()
        assert final.predict_proba(x)[:, 2].std() > 0.1
