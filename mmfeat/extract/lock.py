"""One extraction per store at a time, and what those that were interrupted have left."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mmfeat.core.lock import LockHeld, locked
from mmfeat.errors import ConfigError, ExtractError
from mmfeat.store.parts import finish, move_whole

# Shards, a store of many files, and what is new in an update, each beside the store of some name.
LEFT = re.compile(r"\.(?P<updated>.+)\.new-.+\.h5(\.parts)?|(?P<made>.+)\.h5\.(parts|new)")


@contextmanager
def sole_writer(out: Path) -> Iterator[None]:
    """Hold `<out>.lock`; raise `ExtractError` while another live process holds it.

    What a killed writer left is removed, or moved into place if it is complete.
    """
    if out.name in ("", ".."):
        raise ConfigError(
            "a store is a file, or a folder of its own",
            f"--out is {out}",
            "name one in that folder",
        )
    path = _lock_of(out)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path))
        except LockHeld as error:
            raise ExtractError(
                "only one extraction at a time writes into a store",
                f"the process {error.holder} is writing {out}",
                "wait until it ends, or choose another --out, --split or --features",
            ) from None
        except OSError as error:
            raise ExtractError(
                "the folder of the store must be writable",
                f"{path.parent}: {error.strerror}",
                "check its permissions and free space, or choose another --out or --workspace",
            ) from error
        for partial in out.parent.glob(f".{glob.escape(out.name)}.*.tmp"):
            partial.unlink()  # left by a killed process; no other process writes here now
        finish(out)
        yield


def unfinished(folder: Path) -> Iterator[Path]:
    """Find what interrupted extractions into stores below `folder` have made so far.

    Each is given while its store is locked; those that a process is making are left out. A store
    of many files that only has to be moved into place is moved.
    """
    for path in sorted(folder.rglob("*")):
        found = LEFT.fullmatch(path.name)
        if found is None:
            continue
        out = path.with_name(f"{found['updated'] or found['made']}.h5")
        try:
            with ExitStack() as stack:
                for lock in (_lock_of(out), *path.glob("*.claim")):
                    stack.enter_context(locked(lock))
                move_whole(out)
                if path.exists():
                    yield path
        except LockHeld:
            continue


def _lock_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.lock")
