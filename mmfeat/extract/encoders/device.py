"""Batches on a device: how many rows fit, splitting those that do not, and copies.

On a GPU everything is queued: while one batch is computed, the next is prepared and copied.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Pixels, Preprocessing
from mmfeat.types import FloatArray

log = logging.getLogger(__name__)
# A batch on the host, as one or several arrays -> its features on the device.
Run = Callable[..., torch.Tensor]
PROBE_ROWS = 16
SHARE = 0.5  # of the device's memory that a batch may need
OTHERS = {"cuda": 0}  # bytes on a device that models placed before the last one need


class Fitting:
    """Run a tower on batches; a batch that does not fit and all later ones are split."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._most: int | None = None  # the largest batch, after one did not fit

    @torch.inference_mode()
    def __call__(self, *batch: NDArray[Any]) -> torch.Tensor:
        """Return the features (b, d) of a batch; raise `EncoderError` if one row does not fit."""
        n_rows = len(batch[0])
        while True:
            size = min(n_rows, self._most or n_rows)
            try:
                parts = [
                    self._run(*(array[i : i + size] for array in batch))
                    for i in range(0, n_rows, size)
                ]
                return torch.cat(parts)
            except torch.OutOfMemoryError as error:
                if size == 1:
                    raise too_large(error) from error
            torch.cuda.empty_cache()  # not in the except clause, which still holds the batch
            self._most = size // 2
            log.warning(
                "a batch of %d rows does not fit into memory: continuing with %d", size, self._most
            )


def fitting_batch(run: Run, *probe: NDArray[Any], device: torch.device, most: int) -> int:
    """The largest power of two of rows, at most `most`, that needs no more than its share of a GPU.

    It is measured on `probe`, a few rows, and relative to the card's total memory instead of its
    free memory: a resumed extraction must use the same batches, and so must a model beside others.
    """
    run(*(array[:1] for array in probe))  # libraries allocate some memory once
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run(*probe)
    of_one = max((torch.cuda.max_memory_allocated(device) - before) / len(probe[0]), 1)
    _, memory = torch.cuda.mem_get_info(device)
    rows = max(int((SHARE * memory - (before - OTHERS[device.type])) / of_one), 1)
    return min(int(2 ** (rows.bit_length() - 1)), most)


def placed(model: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Freeze a model and move it; raise `EncoderError` where it does not fit."""
    if device.type in OTHERS:
        OTHERS[device.type] = torch.cuda.memory_allocated(device)
    try:
        return model.to(device, dtype).eval().requires_grad_(False)
    except torch.OutOfMemoryError as error:
        raise too_large(error) from error


def too_large(error: Exception) -> EncoderError:
    """Make the error for a single row that does not fit."""
    return EncoderError(
        "the model and one row must fit into the device's memory",
        str(error).partition(". ")[0],
        "free memory of the device, use a smaller model, or use --device cpu",
    )


class Normaliser:
    """Sends pixels to a device and normalises them there.

    Attributes
    ----------
    scale, shift
        Per channel: the input is ``pixels * scale - shift``.
    """

    def __init__(
        self, preprocessing: Preprocessing, *, dtype: torch.dtype, device: torch.device
    ) -> None:
        self._dtype, self._transfer = dtype, Transfer(device)
        std, mean = torch.tensor(preprocessing.std), torch.tensor(preprocessing.mean)
        self.scale, self.shift = (1 / (255 * std)).to(device), (mean / std).to(device)

    def __call__(self, pixels: Pixels) -> torch.Tensor:
        """Return the input (b, 3, height, width) of pixels (b, height, width, 3)."""
        images = self._transfer.send(pixels)
        inputs = (images.float() * self.scale - self.shift).to(self._dtype)
        return inputs.permute(0, 3, 1, 2)


class ImageTower:
    """Runs a tower on pixels: sent to the device, normalised there, in batches that fit.

    Attributes
    ----------
    scale, shift
        As in `Normaliser`.
    features
        Gives the features (b, d), on the device, of pixels (b, height, width, 3).
    """

    def __init__(
        self,
        tower: Callable[[torch.Tensor], torch.Tensor],
        *,
        preprocessing: Preprocessing,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        inputs = Normaliser(preprocessing, dtype=dtype, device=device)
        self.scale, self.shift = inputs.scale, inputs.shift
        self._transfer = Transfer(device)
        self.features = Fitting(lambda pixels: tower(inputs(pixels)))

    def __call__(self, pixels: Pixels) -> FloatArray:
        """Return embeddings (b, d) of `pixels` (b, height, width, 3)."""
        return self._transfer.fetch(self.features(pixels))()

    def encode_batches(self, batches: Iterable[Pixels]) -> Iterator[FloatArray]:
        """Yield the embeddings of each batch one batch late, which keeps a GPU busy."""
        late: Callable[[], FloatArray] | None = None
        for pixels in batches:
            begun = self._transfer.fetch(self.features(pixels))
            if late is not None:
                yield late()
            late = begun
        if late is not None:
            yield late()


class Transfer:
    """Copies to a device and back; on a GPU they run while it computes."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copies: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def send(self, array: NDArray[Any]) -> torch.Tensor:
        """Copy an array to the device while it computes."""
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self._copies is None:
            return tensor.to(self._device)
        with torch.cuda.stream(self._copies):
            sent = tensor.pin_memory().to(self._device, non_blocking=True)
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._copies)
        sent.record_stream(computing)  # its memory belongs to the other stream
        return sent

    def fetch(self, features: torch.Tensor) -> Callable[[], FloatArray]:
        """Start to copy features (b, d) back; return a function that waits for and returns them."""
        if self._copies is None:
            return features.float().cpu().numpy
        found = features.float().to("cpu", non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record(torch.cuda.current_stream(self._device))

        def wait() -> FloatArray:
            arrived.synchronize()
            array: FloatArray = found.numpy()
            return array

        return wait
