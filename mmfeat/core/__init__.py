"""What knows nothing of the job: files, locks, threads, memory, addresses, clusters, plug-ins.

The order of the package is written down here, as data: imports run downwards, from later layers
to earlier ones. A layer is a tuple of rooms, the files and folders directly below `mmfeat/`. A
room imports itself and rooms of earlier layers only; rooms of one layer do not import each other.
`INNER` says the same of the parts of one room. `tests/test_layers.py` holds the code to both.
"""

from __future__ import annotations

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("types", "config"),
    ("core",),
    ("tables", "store", "metrics"),
    ("extract", "decide", "near"),
    ("runs", "init"),
    ("sensitivity", "convert"),
    ("fit",),
    ("compare", "learning", "predict"),
    ("export", "promote"),
    ("tracking",),
    ("report", "demo"),
    ("serve",),
)

# Rooms that an earlier layer holds and that a room leaves alone all the same.
NEVER: dict[str, tuple[str, ...]] = {
    "decide": ("tables", "store"),
    "fit.heads": ("tables", "store"),
}

INNER: dict[str, tuple[tuple[str, ...], ...]] = {
    "extract": (
        ("guard",),
        ("images", "encoders", "repeats"),
        ("several",),
        ("plan",),
        ("rows",),
        ("engines",),
    ),
    "fit": (("losses", "recipes"), ("heads", "fusion")),
}
