"""The artifact of stage two: workspace, run folder, folds."""
