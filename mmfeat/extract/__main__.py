"""`torchrun --nproc-per-node N -m mmfeat.extract …`: `mmfeat extract` in several processes."""

from __future__ import annotations

import runpy
import sys

if __name__ == "__main__":
    sys.argv[1:] = ["extract", "--engine", "torchrun", *sys.argv[1:]]
    runpy.run_module("mmfeat_cli", run_name="__main__")  # by name: the library knows no commands
