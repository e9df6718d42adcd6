"""Near-copies: rows whose images or captions are nearly the same, within a split or between two.

1. `equal`: rows with equal embeddings, and those that too many rows share to mean anything;
2. `bound`: the cosine that unrelated rows do not reach, from the table's own cosines;
3. `projection`: a few coordinates that never make a cosine smaller, so that few pairs remain;
4. `search`, and `index` for many rows: the pairs above the bound;
5. `links`: the pairs of each modality, kept beside the folds; `groups`: what they relate.
"""
