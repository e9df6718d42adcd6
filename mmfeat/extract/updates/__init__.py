"""What is there already: shards of an interrupted extraction, a store of an earlier table."""
