"""A sketch of a comparison: some rows, few numbers, one fit per cell, and a race of the cells."""
