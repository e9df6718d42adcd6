"""A damaged store is refused, or it reads as before; nothing hangs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmfeat.errors import StoreError
from mmfeat.store import FeatureStore
from mmfeat.store.verify import verify_store
from tests.support.stage_one.damage import damage
from tests.support.stage_one.stores import N, make_store
from tests.support.workspaces import Mmfeat

MEMORY = 4 << 30  # bytes of address space


def test_a_flipped_bit_is_an_error_or_changes_nothing(tmp_path: Path) -> None:
    found = damage(make_store(tmp_path / "a.h5"), seed=1, count=25)
    assert found.refused and found.unharmed


def test_bits_flipped_at_200_random_places_never_hang(tmp_path: Path) -> None:
    """In a process of its own, so that a hang or a crash is seen, with limited memory."""
    path = make_store(tmp_path / "a.h5")
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}));"
    code = (
        f"{limited} from pathlib import Path; from tests.support.stage_one.damage import damage;"
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


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("fit --head logreg --folds 3", "ids/bytes"),
        ("fit --head logreg --folds 3", "labels/targets"),
        ("fit --head logreg --folds 3", "image/embeddings"),
        ("fit --head logreg --folds 3 --max-memory 1GiB", "text/embeddings"),
        ("predict", "ids/bytes"),
        ("predict", "image/embeddings"),
    ],
)
def test_no_command_uses_damaged_numbers(
    fitted_project: Path, mmfeat: Mmfeat, command: str, name: str
) -> None:
    split = "test" if command == "predict" else "train"
    with h5py.File(fitted_project / f"artifacts/features/{split}.h5", "r+") as file:
        place = (len(file[name]) // 2, *(0 for _ in file[name].shape[1:]))
        value = file[name][place]
        file[name][place] = 1 - value if name == "labels/targets" else value + 1
    result = mmfeat(*command.split())
    assert result.exit_code == 1, result.stdout
    assert f"{name} has changed since it was written" in result.stderr


def test_rows_read_in_pieces_are_checked_at_the_end(tmp_path: Path) -> None:
    """Overlapping and repeated reads count once; rows from the middle alone are not checked."""
    path = make_store(tmp_path / "a.h5", failed=())
    with h5py.File(path, "r+") as file:
        file["image/embeddings"][N - 1, 0] += 1
    with FeatureStore.open(path) as store:
        store.embeddings("image", slice(5, 9))
        store.embeddings("image", slice(0, 6))
        store.embeddings("image", slice(0, 6))
        store.embeddings("image", slice(4, 10))
        with pytest.raises(StoreError, match="image/embeddings has changed since it was written"):
            store.embeddings("image", slice(10, None))
    with FeatureStore.open(path, strict=False) as store:
        assert np.isfinite(store.embeddings("image")).all()
        assert store.check() == ["image/embeddings"]
