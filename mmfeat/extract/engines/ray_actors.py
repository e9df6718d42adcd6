"""The engine of a Ray cluster: Ray Data maps actors over the shards that are missing.

An actor loads the model once, has decoding processes of its own and writes whole shards into a
folder that all machines share, or puts them at the address of ``--shards``, from where the driver
fetches them; only shard numbers and receipts are sent. Ray reassigns the shard of a worker
that died. Only the files say which shards are finished.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
import ray.data

from mmfeat.core.cluster import Share, join_cluster, plain_errors
from mmfeat.errors import ExtractError, MmfeatError
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.engines.base import Engine
from mmfeat.extract.engines.local import load_here
from mmfeat.extract.engines.remote import RemoteEncoder, for_machines, share_for
from mmfeat.extract.engines.shard import decode_task, make_shard
from mmfeat.extract.engines.tries import begin, counting_tries
from mmfeat.extract.images.decoding import Decoder
from mmfeat.extract.plan import Advance, Plan, Shard, machinery
from mmfeat.extract.rows.encode import image_names
from mmfeat.store.shards import check_same, check_shard


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """An actor's report on a shard: the `digest` of what it wrote, or the error."""

    shard: int
    host: str
    digest: str = ""
    rule: str = ""
    found: str = ""
    remedy: str = ""


def make_shards(
    plan: Plan, encoder: Encoder, shards: Sequence[Shard], parts: Path, advance: Advance
) -> None:
    """Make `shards` on the cluster; raise `ExtractError` at the end for those that failed.

    With ``--on-bad-image fail`` it is raised as soon as one fails.
    """
    if not shards:
        return
    if isinstance(encoder, RemoteEncoder):
        encoder.release()
    join_cluster(plan.settings.ray_address)
    share = share_for(plan.settings)
    made_there = replace(plan, settings=for_machines(plan.settings, share))
    missing = {shard.number: shard for shard in shards}
    reasons: dict[int, str] = {}
    with plain_errors(), counting_tries() as tries:
        for receipt in _map(made_there, missing, parts.resolve(), share, tries):
            shard = missing[receipt.shard]
            if receipt.rule and plan.settings.on_bad_image == "fail":
                raise ExtractError(receipt.rule, receipt.found, receipt.remedy)
            if receipt.rule:
                reasons[shard.number] = f"{receipt.rule}; {receipt.found}; {receipt.remedy}"
            elif not _is_here(shard.path(parts), plan, receipt):
                reasons[shard.number] = (
                    f"{receipt.host} wrote it, and it is not in {plan.shared or parts}, which all"
                    " machines must share; an address serves as well (--shards s3://…)"
                )
            else:
                del missing[shard.number]
                for modality in plan.modalities:
                    advance(modality, shard.n_rows)
    if missing:
        raise _failed(missing, reasons)


def _map(plan: Plan, shards: dict[int, Shard], parts: Path, share: Share, tries: Any) -> Any:
    """Yield the receipts as they arrive."""
    items = [{"shard": number} for number in shards]
    dataset = ray.data.from_items(items, override_num_blocks=len(items))
    dataset.context.enable_progress_bars = False
    dataset.context.max_errored_blocks = -1  # the others continue
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    receipts = dataset.map(
        ShardMaker,
        fn_constructor_args=(ray.put((plan, parts)), tries),
        compute=ray.data.ActorPoolStrategy(
            size=min(share.workers, len(items)), max_tasks_in_flight_per_actor=1
        ),
        num_cpus=share.cpus,
        num_gpus=share.gpus or None,
    )
    return (Receipt(**row) for row in receipts.iter_rows())


class ShardMaker:
    """An actor: makes the shards that it is given, one after another."""

    def __init__(self, shared: Any, tries: Any) -> None:
        plan, self._parts = ray.get(shared)
        self._tries = tries
        self._plan: Plan = plan
        self._shards = plan.shards
        self._encoder = load_here(plan.settings)
        self._decoder = Decoder(decode_task(plan, self._encoder), workers=plan.settings.workers)
        self._decoder.__enter__()  # its processes end with this one

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Make one shard and return its receipt."""
        number, host = int(row["shard"]), socket.gethostname()
        try:
            return asdict(Receipt(shard=number, host=host, digest=self._make(self._shards[number])))
        except MmfeatError as error:
            told = (error.rule, error.found, error.remedy)
        except Exception as error:  # whatever it is, the other shards continue
            told = (
                "a shard must be made without an error",
                f"{type(error).__name__}: {error}",
                "run with --engine local for details",
            )
        rule, found, remedy = told
        return asdict(Receipt(shard=number, host=host, rule=rule, found=found, remedy=remedy))

    def _make(self, shard: Shard) -> str:
        plan = self._plan
        begin(self._tries, shard.number)
        here = machinery(self._encoder, plan.settings)
        check_same({name: plan.provenance[name] for name in here}, here, shard.path(self._parts))
        decoded = self._decoder.decode(image_names(plan, shard.rows, since=shard.start))
        with self._folder() as parts:
            make_shard(
                plan,
                self._encoder,
                shard,
                parts,
                decoded=decoded,
                advance=lambda _modality, _n: None,
            )
            return check_shard(shard.path(parts), plan.provenance)

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """The folder of a shard: the shared one, or a temporary one of this machine."""
        if self._plan.shared is None:
            yield self._parts
            return
        with TemporaryDirectory(prefix="mmfeat-") as name:
            yield Path(name)


def _is_here(path: Path, plan: Plan, receipt: Receipt) -> bool:
    """Whether the driver has what an actor wrote; with ``--shards`` it is downloaded first."""
    if plan.shared is not None:
        plan.shared.get(path)
    return path.exists() and check_shard(path, plan.provenance) == receipt.digest


def _failed(missing: dict[int, Shard], reasons: dict[int, str]) -> ExtractError:
    reason = reasons.get(min(missing), "their workers did not report")
    rows = ", ".join(f"{s.start} to {s.stop - 1}" for s in [*missing.values()][:5])
    more = f" and {len(missing) - 5} more shards" if len(missing) > 5 else ""
    return ExtractError(
        "every shard must be made",
        f"those of the rows {rows}{more} failed: {reason}",
        "fix that and run the same command again: finished shards are kept",
    )


RAY = Engine(load_encoder=RemoteEncoder, make_shards=make_shards)
