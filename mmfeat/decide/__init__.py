"""The decision: out-of-fold scores become label sets."""
