"""How much estimates depend on near neighbours: what near-copies cannot see.

Related rows (one garment in several colours, one film in several frames) are often no nearer to
one another than unrelated rows are. But a head that has seen a relative knows the row better.

1. `neighbours`: rows whose nearest neighbour is above a cosine are grouped with it, for ever
   lower cosines;
2. `ridge`: out-of-fold probabilities by ridge regression, which takes a fraction of a second;
3. `curve`: the estimate with ever more distant neighbours in one fold, and whether it falls by
   more than chance.
"""
