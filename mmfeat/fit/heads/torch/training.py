"""How every torch head trains: rows on the device or streamed, batches by index, AdamW.

1. columns are standardised with the mean and deviation of the training rows;
2. the learning rate follows a schedule whose length does not depend on the losses; with
   `patience`, a tenth of the rows is held out for validation, the epoch with the lowest validation
   loss is kept, and training stops `patience` epochs after it;
3. a refit for `rounds` epochs follows the same schedule, on all rows.

Wide matrix products of training run in bfloat16 where the hardware multiplies it natively; all the
rest stays in float32, parameters and scores too: a head predicts the same on every machine.
"""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from threading import Event
from typing import ClassVar, Self, cast

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mmfeat.core.bfloat16 import has_bfloat16
from mmfeat.errors import FitError
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.options import option
from mmfeat.fit.heads.space import Choice, Range, Space
from mmfeat.fit.heads.streaming import Shared, in_memory
from mmfeat.fit.heads.torch.batches import BLOCK_ROWS, Batches, Source, held
from mmfeat.fit.heads.torch.device import DEVICES, choose_device
from mmfeat.fit.heads.torch.dropout import Dropout
from mmfeat.fit.heads.torch.fusing import MODULES
from mmfeat.fit.heads.torch.length import Length
from mmfeat.fit.heads.torch.loss import mean_loss
from mmfeat.fit.heads.torch.optimiser import Optimizer, constant, cosine
from mmfeat.fit.heads.torch.standardise import Standardise
from mmfeat.fit.heads.torch.threads import fits_at_once, side_by_side, threads_for
from mmfeat.fit.heads.torch.weights import is_finite, seeded, snapshot
from mmfeat.fit.losses import Loss, make_loss
from mmfeat.runs.folds.inside import hold_out
from mmfeat.types import FloatArray, Fused, IntArray, Matrix, Targets

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class TorchHead(Head):
    """A head whose module maps (b, d) to logits of shape (b, k) or (members, b, k).

    Attributes
    ----------
    epochs_, lr_
        After `fit`: the length of the schedule, and its rate.
    """

    uses_loss: ClassVar[bool] = True
    learns_fusion: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    reads_parts: ClassVar[bool] = True
    length: ClassVar[Length] = Length(epochs=12, steps=400, rate=2e-3)
    sketched: ClassVar[dict[str, str]] = {"epochs": "12", "lr": "0.006"}
    ignored: ClassVar[dict[str, set[str]]] = {"rounds": {"patience"}}

    loss: str = option("bce", "training loss; see `mmfeat list losses`")
    smoothing: float = option(0.0, "label smoothing of the targets", low=0, high=1)
    learned_fusion: str = option(
        "none", "how the blocks of a row are fused", choices=("none", *MODULES)
    )
    epochs: int | None = option(
        None,
        "most epochs; sets the schedule; None is 12 (gmlp: 8), more for few rows",
        low=1,
        high=1e9,
    )
    rounds: int | None = option(None, "exact number of epochs", low=1, high=1e9)
    batch: int = option(256, "number of rows per step; 0 uses all rows", low=0, high=math.inf)
    lr: float | None = option(
        None,
        "learning rate; None is 0.002 (gmlp: 0.003), up to twice that for few rows without epochs",
        low=0,
        high=math.inf,
    )
    decay: float = option(0.01, "weight decay of matrices alone", low=0, high=math.inf)
    schedule: str = option("cosine", "that of the learning rate", choices=("cosine", "constant"))
    patience: int = option(
        0, "epochs without improvement before stopping; 0 never stops early", low=0, high=math.inf
    )
    ema: float = option(
        0.0, "decay per step of a moving average of the weights; 0 disables it", low=0, high=1
    )
    precision: str = option(
        "auto", "numeric precision of training", choices=("auto", "fp32", "bf16")
    )
    device: str = option("auto", "device that fits the head", choices=DEVICES)

    epochs_ = 0
    lr_ = 0.0
    _stop = cast("Event | None", None)  # set when the result is no longer needed

    def fit_folds(
        self, fused: Fused[Matrix], y: Targets, splits: Sequence[IntArray]
    ) -> Iterator[Self]:
        """Yield one fitted copy per split."""
        yield from self._fit_all(fused, y, [(replace(self), rows) for rows in splits])

    def fit_folds_and_refit(
        self, fused: Fused[Matrix], y: Targets, splits: Sequence[IntArray], refit: Self
    ) -> Iterator[Self]:
        """Like `fit_folds`, then `refit` on all rows; on a CPU it is fitted beside the folds."""
        folds = [(replace(self), rows) for rows in splits]
        yield from self._fit_all(fused, y, [*folds, (refit, np.arange(len(y)))])

    def _fit_all(
        self, fused: Fused[Matrix], y: Targets, wanted: Sequence[tuple[Self, IntArray]]
    ) -> Iterator[Self]:
        """Fit each head on its rows and yield it; on a CPU, several are fitted at once."""
        if choose_device(self.device).type != "cpu":
            yield from (head._learn(fused, y, rows) for head, rows in wanted)
            return
        x = held(fused.values)
        if not isinstance(x, np.ndarray) and not x.in_memory:
            x = Shared(x, fits_at_once())
        stop, fits = Event(), []
        for head, rows in wanted:
            head._stop = stop
            fits.append(partial(head._learn, replace(fused, values=x), y, rows))
        yield from side_by_side(fits, stop=stop)

    def ahead(self, splits: Sequence[IntArray]) -> Self | None:
        """The head of the refit, unless the folds find its number of epochs (`patience`)."""
        if self.patience and self.rounds is None:
            return None
        folds = [replace(self) for _ in splits]
        for head, rows in zip(folds, splits, strict=True):
            _, head.rounds_ = head._walk(len(rows))
        return self.for_refit(folds)

    def search_space(self) -> Space:
        """Options of training that all torch heads share."""
        return {
            "lr": Range(self.length.rate if self.lr is None else self.lr, 2e-4, 2e-2, log=True),
            "decay": Range(self.decay, 1e-4, 1.0, log=True),
            "batch": Choice(self.batch, (128, 256, 512, 1024)),
            "smoothing": Range(self.smoothing, 0.0, 0.1),
        }

    @abstractmethod
    def _module(self, blocks: tuple[int, ...], n_classes: int) -> nn.Module:
        """Make the untrained module for rows of these blocks."""

    def _fit(self, fused: Fused[Matrix], y: Targets, rows: IntArray) -> None:
        x, device = fused.values, choose_device(self.device)
        if not self.batch and not in_memory(x):
            raise FitError(
                "streamed rows are read in batches",
                "batch=0 puts all rows into one",
                "use --set batch=256, or omit --max-memory",
            )
        draws = torch.Generator(device).manual_seed(self.seed)
        order = torch.randperm(len(rows), device=device, generator=draws).cpu().numpy()
        judging, learning = order[:0], rows[order]
        if self.patience and self.rounds is None:
            judging, learning = hold_out(learning, fused.groups)
        source = Source(x, y, device)
        train, validation = source.chosen(learning), source.chosen(judging)
        self._network = self._build(fused.blocks, y.shape[1]).to(device)
        cast(Standardise, self._network[0]).learn(train)
        with threads_for(self._network, batch=self.batch or len(train)):
            self._train(train, validation, draws)

    def _build(self, blocks: tuple[int, ...], n_classes: int) -> nn.Sequential:
        with seeded(self.seed):
            return nn.Sequential(Standardise(sum(blocks)), self._module(blocks, n_classes))

    def _train(self, train: Batches, validation: Batches, draws: torch.Generator) -> None:
        """Train `_network` on `train`; keep the epoch with the lowest loss on `validation`."""
        rates = train.rates.clamp(0.5 / len(train), 1 - 0.5 / len(train))
        loss = make_loss(self.loss, rates=rates, smoothing=self.smoothing, masked=train.masked)
        network = self._network
        average = get_ema_multi_avg_fn(self.ema)  # type: ignore[no-untyped-call]
        averaged = (
            AveragedModel(network, multi_avg_fn=average, use_buffers=True) if self.ema else None
        )
        judged = averaged.module if averaged is not None else network
        for dropout in (part for part in network.modules() if isinstance(part, Dropout)):
            dropout.generator = draws
        steps, n_epochs = self._walk(len(train))
        pace = constant if self.schedule == "constant" else cosine(steps * self.epochs_)
        optimizer = Optimizer(network, lr=self.lr_, decay=self.decay, pace=pace)
        best, kept = math.inf, snapshot(judged)
        self.rounds_, self.history_ = 0, {}
        for epoch in range(1, n_epochs + 1):
            network.train()
            total = torch.zeros((), device=rates.device)
            for rows, targets in train.shuffled(steps, draws):
                if self._stop is not None and self._stop.is_set():
                    raise CancelledError
                with self._precision(rows.device):
                    logits = network(rows)
                value = mean_loss(loss, logits, targets)
                optimizer.step(value)
                if averaged is not None:
                    averaged.update_parameters(network)
                total += value.detach()
            if not math.isfinite(total.item()) or not is_finite(judged):
                self._report_divergence(epoch)
                break
            self._record("train", total.item() / steps)
            if len(validation):
                now = self._loss_on(validation, judged, loss)
                self._record("validation", now)
            else:
                now = -epoch  # keep the last epoch
            if now < best:
                best, kept, self.rounds_ = now, snapshot(judged), epoch
            elif epoch - self.rounds_ >= self.patience:
                break
        network.load_state_dict(kept, assign=True)
        network.eval()

    def _walk(self, n_rows: int) -> tuple[int, int]:
        """Set the schedule for so many rows; return the steps of an epoch and the epochs."""
        steps = math.ceil(n_rows / (self.batch or n_rows))
        self.epochs_, self.lr_ = self.length.schedule(steps, epochs=self.epochs, rate=self.lr)
        return steps, self.rounds or self.epochs_

    def _loss_on(self, validation: Batches, network: nn.Module, loss: Loss) -> float:
        parts = [(self._logits(network, rows), targets) for rows, targets in validation.in_order()]
        logits, targets = (torch.cat(part, dim=-2) for part in zip(*parts, strict=True))
        return mean_loss(loss, logits, targets).item()

    def _record(self, rows: str, loss: float) -> None:
        self.history_.setdefault(rows, []).append(round(loss, 6) if math.isfinite(loss) else None)

    def _report_divergence(self, epoch: int) -> None:
        setting = f"loss={self.loss} lr={self.lr_:g} batch={self.batch} precision={self.precision}"
        if not self.rounds_:
            raise FitError(
                "the loss of a head must stay finite",
                f"it is not finite in epoch {epoch} with {setting}",
                "lower it with --set lr=..., or choose another loss",
            )
        log.warning(
            "the loss is not finite in epoch %d with %s; the weights of epoch %d are used",
            epoch,
            setting,
            self.rounds_,
        )

    def for_refit(self, folds: Sequence[Self]) -> Self:
        """Return this head with the folds' mean number of epochs, on their schedule."""
        found = [fold.rounds_ for fold in folds if fold.rounds_ is not None]
        walked = [fold for fold in folds if fold.epochs_]
        return replace(
            self,
            rounds=max(1, round(np.mean(found))) if found else self.rounds,
            epochs=round(np.mean([fold.epochs_ for fold in walked])) if walked else self.epochs,
            lr=median(fold.lr_ for fold in walked) if walked else self.lr,
        )

    def _precision(self, device: torch.device) -> torch.autocast:
        enabled = self.precision == "bf16" or (self.precision == "auto" and has_bfloat16(device))
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)

    @torch.no_grad()
    def _logits(self, network: nn.Module, rows: Tensor) -> Tensor:
        network.eval()
        return torch.cat([network(part) for part in torch.split(rows, BLOCK_ROWS)], dim=-2)

    def _predict(self, x: FloatArray) -> FloatArray:
        device = next(self._network.parameters()).device
        parts = torch.split(torch.from_numpy(np.ascontiguousarray(x)), BLOCK_ROWS)
        scores = [self._logits(self._network, part.to(device)).sigmoid().cpu() for part in parts]
        joined = torch.cat(scores, dim=-2)
        return (joined.mean(dim=0) if joined.ndim == 3 else joined).numpy()

    def _save_state(self, folder: Path) -> None:
        state = {key: value.contiguous().cpu() for key, value in self._network.state_dict().items()}
        save_file(state, folder / "weights.safetensors")

    def _load_state(self, folder: Path) -> None:
        state = load_file(folder / "weights.safetensors")
        with torch.device("meta"):  # takes no memory, whatever sizes the options name
            self._network = self._build(self.blocks_, int(self.learnable_.sum()))
        try:
            self._network.load_state_dict(state, assign=True)
        except RuntimeError as error:
            raise ValueError(f"the weights are of another network: {error}") from error
        self._network.eval().to(choose_device("auto"))
