from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmfeat.core.lock import LockHeld, locked


def test_a_lock_is_held_once_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.lock"
    with locked(path), pytest.raises(LockHeld, match=str(os.getpid())), locked(path):
        pass
    with locked(path):
        pass
    assert not path.exists()


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    code = (
        "import os, sys; from pathlib import Path; from mmfeat.core.lock import locked\n"
        "with locked(Path(sys.argv[1])): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, path], check=False)
    assert path.exists()
    with locked(path):
        pass
