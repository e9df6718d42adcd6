"""One vector of several: of a row's pictures or captions, and of the windows of a long caption."""
