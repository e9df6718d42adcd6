"""Who runs the shards: a registry, so that a cluster can be added without touching the rest.

An engine is a function (plan, encoder, shards, progress) that yields one block per shard, in any
order, with the shard's number.
"""

from __future__ import annotations

from mmfeat.plugins import Plugin

ENGINES: dict[str, Plugin] = {
    "local": Plugin("mmfeat.extract.local:run_local", "this machine, one device"),
}
