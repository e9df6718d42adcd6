"""One HDF5 file of a store: what it may hold, reading it, writing it."""
