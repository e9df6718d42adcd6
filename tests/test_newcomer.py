"""The lines of Python in the README, as a newcomer runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from mmfeat.demo.data import write_demo_data

README = Path(__file__).parent.parent / "README.md"


def test_the_python_of_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(code.strip().splitlines()) <= 10
    write_demo_data(tmp_path, n_train=90, n_test=20, seed=3)
    (tmp_path / "mmfeat.toml").unlink()
    for old, new in (("train.csv", "items.csv"), ("test.csv", "new.csv"), ("data", "images")):
        (tmp_path / old).rename(tmp_path / new)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "logreg" in done.stdout and "concat" in done.stdout
    assert "[20 rows x 18 columns]" in done.stdout
    assert (tmp_path / "artifacts" / "leaderboard.csv").is_file()
