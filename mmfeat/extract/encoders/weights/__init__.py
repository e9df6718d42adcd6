"""The weights of an encoder: where they are, as tensors, and in the repository of a model."""
