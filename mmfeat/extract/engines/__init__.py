"""Engines: who makes the shards of a store; all of them give the same bytes."""
