"""Models: what gives out-of-fold scores and predicts features, behind one protocol."""
