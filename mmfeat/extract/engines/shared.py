"""Shards that are kept at an address as well (``--shards``), in a folder of each extraction.

Machines without a common folder can share the work, and an extraction survives the loss of its
machine. Each machine still writes, checks and merges shards in a folder of its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path

from mmfeat.core.address import Address, folder_or_address
from mmfeat.core.files import write_json
from mmfeat.errors import ConfigError, ExtractError
from mmfeat.extract.plan import Plan

ABOUT = "provenance.json"  # describes the shards; written first, so that a refusal comes early
log = logging.getLogger(__name__)


def share(plan: Plan, out: Path) -> Plan:
    """Give the plan of the store `out` the address of its shards, where its settings name one.

    The folder there is named after the store, its folder and the provenance: two extractions that
    differ in any of them use different folders. Raises `ConfigError` for an invalid address.
    """
    place = plan.settings.shards
    if place is None:
        return plan
    address = folder_or_address(place)
    if not isinstance(address, Address):
        raise ConfigError(
            "--shards takes an address such as s3://bucket/folder",
            f"{place} is a folder of this machine",
            "leave it out: shards are kept beside the store",
        )
    address.open()
    out = out.resolve()
    told = json.dumps(plan.provenance, sort_keys=True).encode("utf-8")
    digest = hashlib.sha256(told).hexdigest()[:12]
    return replace(plan, shared=address.below(f"{out.parent.name}-{out.stem}-{digest}"))


def fetch_shards(plan: Plan, parts: Path) -> None:
    """Download the shards that are at the address but not in `parts`.

    Raises `ExtractError` where nothing can be written there.
    """
    if plan.shared is None:
        return
    write_json(parts / ABOUT, plan.provenance)
    plan.shared.put(parts / ABOUT)
    there = plan.shared.names()
    for shard in plan.shards:
        path = shard.path(parts)
        if path.name in there and not path.exists():
            plan.shared.get(path)


def remove_shards(plan: Plan) -> None:
    """Remove what this extraction put at the address; a warning where that fails."""
    if plan.shared is None:
        return
    names = {shard.path(Path()).name for shard in plan.shards}
    try:
        plan.shared.remove({ABOUT, *names})
    except ExtractError as error:
        log.warning("the store is finished, but its shards are left there: %s", error)
