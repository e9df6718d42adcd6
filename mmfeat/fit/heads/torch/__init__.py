"""What the torch heads share: batches, layers, training."""
