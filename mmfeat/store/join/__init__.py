"""Several feature sets of one split are joined by id, whichever rows each of them has."""
