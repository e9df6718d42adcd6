"""The demo: the whole pipeline on synthetic scenes, offline."""
