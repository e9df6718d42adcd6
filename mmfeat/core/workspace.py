"""Where things lie in a workspace: `features/`, `folds/`, `runs/`, `search/`, `tracking/`, …."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mmfeat.config import FILE_NAME, Settings, is_utf8
from mmfeat.core.settings import read_settings
from mmfeat.errors import ConfigError

VARIABLE = "MMFEAT_WORKSPACE"


@dataclass(frozen=True)
class Workspace:
    """The paths below one folder (`-w`, `MMFEAT_WORKSPACE`, or `workspace` in mmfeat.toml)."""

    root: Path

    @property
    def features(self) -> Path:
        """The folder of feature stores, and of folders of them by feature set."""
        return self.root / "features"

    def store(self, split: str, features: str | None = None) -> Path:
        """Path of the feature store of `split`, in the feature set `features` if it is named."""
        folder = self.features
        if features is not None:
            folder /= _plain(features, "a feature set")
        return folder / f"{_plain(split, 'a split')}.h5"

    def stores(self, split: str, features: tuple[str, ...]) -> list[Path]:
        """Paths of the stores of `split`: one per feature set, or the unnamed one."""
        return self.stores_beside(split, features or ("",))

    def stores_beside(self, split: str, features: tuple[str, ...]) -> list[Path]:
        """Paths of the stores of `split` in each of the feature sets; "" is the unnamed one."""
        return [self.store(split, name or None) for name in features]

    def run(self, name: str) -> Path:
        """Folder of the run `name`."""
        return self.runs / _plain(name, "a run")

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return self.root / "runs"

    @property
    def sketch(self) -> Workspace:
        """The workspace of sketches of this one."""
        return Workspace(self.root / "sketch")

    @property
    def folds(self) -> Path:
        """The folder of saved folds."""
        return self.root / "folds"

    def search(self, name: str) -> Path:
        """File of the trials of the search `name`."""
        return self.root / "search" / f"{_plain(name, 'a search')}.db"

    @property
    def tracking(self) -> Path:
        """The folder of what experiment trackers keep on this machine."""
        return self.root / "tracking"

    @property
    def leaderboard(self) -> Path:
        """The table of the last comparison."""
        return self.root / "leaderboard.csv"

    @property
    def comparisons(self) -> Path:
        """The folder of all comparisons, one file per question."""
        return self.root / "comparisons"

    @property
    def cache(self) -> Path:
        """The folder of what can be made again; `mmfeat clean` empties it."""
        return self.root / "cache"

    @property
    def report(self) -> Path:
        """The page that `mmfeat report` writes."""
        return self.root / "report.html"

    @property
    def submissions(self) -> Path:
        """The folder of submissions."""
        return self.root / "submissions"


NEVER = "/\\\x7f"  # in names
LONGEST_NAME = 160  # bytes: temporary files have longer names, and a file system takes 255


def _plain(name: str, kind: str) -> str:
    rule = f"the name of {kind} is a plain word that becomes a file name"
    if not name.strip() or name.startswith(".") or any(c in NEVER or ord(c) < 32 for c in name):
        raise ConfigError(
            rule, f"{name!r} is not", "leave out slashes, control characters and leading dots"
        )
    if not is_utf8(name):
        raise ConfigError(rule, f"{name!r} is not UTF-8", "use other letters")
    if (n_bytes := len(name.encode())) > LONGEST_NAME:
        found = f"{name!r} has {n_bytes} bytes"
        raise ConfigError(rule, found, f"use {LONGEST_NAME} or fewer")
    return name


def inputs_of(settings: Settings) -> tuple[str | None, ...]:
    """The files that the project is made from, which no output replaces."""
    return FILE_NAME, *settings.splits.values(), settings.submit.sample


def open_project(workspace: Path | str | None = None) -> tuple[Settings, Workspace]:
    """Read `mmfeat.toml` of the current folder, and find the workspace.

    It is `workspace`, or the variable `MMFEAT_WORKSPACE`, or what `mmfeat.toml` names, or
    `artifacts`. Raises `ConfigError` for a broken `mmfeat.toml`.
    """
    settings = read_settings()
    root = workspace or os.environ.get(VARIABLE) or settings.workspace
    return settings, Workspace(Path(root))
