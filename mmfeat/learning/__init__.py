"""How good a head would be with more labelled rows.

1. `samples`: ever smaller samples of the rows, whole groups, each class with its share;
2. `fits`: the head of a run learns from each sample, and all held-out rows judge it;
3. `power_law`: a - b · n^-c through the estimates;
4. `curve`: estimates and law with what is uncertain about them, and what more rows are worth;
5. `kept`: the curve of a run is kept, as are the scores behind it.
"""
