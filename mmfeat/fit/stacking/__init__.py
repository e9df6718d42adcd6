"""Late fusions: how the scores of several heads become one score per class."""
