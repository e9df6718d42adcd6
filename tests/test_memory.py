from __future__ import annotations

import subprocess
import sys

# In a process of its own: a large one has free memory that a block can take without growing.
CODE = """
from mmfeat.memory import peak_memory, reset_peak
size = 64 * 2**20
reset_peak()
before = peak_memory()
block = bytearray(b"1" * size)
assert peak_memory() >= before + 0.9 * size
del block
assert peak_memory() >= before + 0.9 * size
reset_peak()
assert peak_memory() < before + 0.9 * size
"""


def test_the_peak_is_of_what_came_after_the_reset() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
