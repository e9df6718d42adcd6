"""Stage two: a cross-validated fit of a model on cached features becomes a run."""
