"""The demo: the whole job on made-up scenes, offline."""
