"""Commands of the decision."""
