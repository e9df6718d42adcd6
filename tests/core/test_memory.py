from __future__ import annotations

import subprocess
import sys

import pytest

from mmfeat.core.memory import bytes_of, size_of
from mmfeat.errors import ConfigError

# In a process of its own: a large one has free memory that a block can take without growing.
CODE = """
from mmfeat.core.memory import peak_memory, reset_peak
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


# Without, blocks are cut from the heap, and its end is held by what came after.
GAPS = """
from mmfeat.core.memory import STATUS, large_blocks_mapped

def kib_of_data():
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmData"))

def round_trip():
    blocks = [bytearray(2**19) for _ in range(100)]
    return [bytearray(50_000) for _ in range(20)]

before, kept = kib_of_data(), []
with large_blocks_mapped():
    for _ in range(2):
        kept += round_trip()
assert kib_of_data() < before + 10 * 2**10
kept += round_trip()
assert kib_of_data() > before + 40 * 2**10  # as ever
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator, and /proc")
def test_large_blocks_leave_no_gaps() -> None:
    subprocess.run([sys.executable, "-c", GAPS], check=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2GiB", 2**31), ("1.5g", 3 * 2**29), ("800 MB", 800 * 2**20), ("123", 123), ("4kb", 4096)],
)
def test_sizes_are_read(text: str, value: int) -> None:
    assert bytes_of(text) == value


@pytest.mark.parametrize("text", ["", "two", "-1", "0", "1XB", "GiB"])
def test_what_is_no_size_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="2GiB"):
        bytes_of(text)


def test_sizes_are_told_for_people() -> None:
    assert [size_of(n) for n in (None, 0, 999, 1000, 21_400, 2_140_000, 3.2e9, 5e12)] == [
        "n/a", "0 B", "999 B", "1.0 kB", "21 kB", "2.1 MB", "3.2 GB", "5000 GB"
    ]  # fmt: skip
