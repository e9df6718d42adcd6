"""The winner leaves: a bundle is written, and loaded where nothing else of the workspace is."""
