"""`torchrun --nproc-per-node N -m mmfeat.extract …`: `mmfeat extract` in several processes."""

from __future__ import annotations

import runpy
import sys

from mmfeat.extract.engines.torchrun import is_helper

if __name__ == "__main__":
    quiet = ["--quiet"] if is_helper() else []
    sys.argv[1:] = ["extract", "--engine", "torchrun", *quiet, *sys.argv[1:]]
    runpy.run_module("mmfeat_cli", run_name="__main__")  # by name: the library knows no commands
