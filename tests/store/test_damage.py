"""A damaged store is refused, or `verify` says so, or it reads as before; nothing hangs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from mmfeat.errors import StoreError
from mmfeat.store import FeatureStore
from mmfeat.store.verify import verify_store
from tests.support.damage import damage
from tests.support.stores import make_store

MEMORY = 4 << 30  # bytes of address space


def test_a_flipped_bit_is_an_error_or_changes_nothing(tmp_path: Path) -> None:
    found = damage(make_store(tmp_path / "a.h5"), seed=1, count=25)
    assert found.refused and found.unharmed


def test_bits_flipped_at_200_random_places_never_hang(tmp_path: Path) -> None:
    """In a process of its own, so that a hang or a crash is seen, with limited memory."""
    path = make_store(tmp_path / "a.h5")
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}));"
    code = (
        f"{limited} from pathlib import Path; from tests.support.damage import damage;"
        f" print(damage(Path({str(path)!r}), seed=0, count=200))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "refused" in done.stdout


def test_a_damaged_file_never_ends_in_another_error(tmp_path: Path) -> None:
    """Every 16th byte of the file's structure flipped: read as before, or `StoreError`."""
    path = make_store(tmp_path / "a.h5")
    content = path.read_bytes()
    damaged = tmp_path / "b.h5"
    refused = 0
    for at in range(0, len(content), max(len(content) // 150, 1)):
        damaged.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            with FeatureStore.open(damaged) as store:
                store.features()
                assert store.failed is not None
        except StoreError:
            refused += 1
    assert refused > 0
    damaged.write_bytes(content[: len(content) // 2])
    assert verify_store(damaged)
    shutil.rmtree(tmp_path)
