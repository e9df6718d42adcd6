"""Before one model replaces another: both decide the same rows, and the difference is judged.

1. `out_of_fold` or `new_rows`: labelled rows that neither was fitted on, as both decide them;
   `seen` finds those that one of them was fitted on, which are left out;
2. `promotion`: the paired difference with its interval, and whether it is within the margin;
   `changes`: the rows that change sides.
"""
