"""Building blocks that know nothing of embeddings or labels: files, locks, memory, clusters."""
