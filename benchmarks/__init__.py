"""Side-by-side measurements, one file per claim; the tables stand in RESULTS.md."""
