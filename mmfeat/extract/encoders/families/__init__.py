"""The families of encoders: one file each, with the function `load` that the registry names."""
