"""Side-by-side measurements, one file per claim; the tables stand in RESULTS.md."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does
