"""Images: where they lie, how they are read, and what is refused."""
