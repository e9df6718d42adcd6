"""One extraction per store at a time."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mmfeat.core.lock import LockHeld, locked
from mmfeat.errors import ConfigError, ExtractError
from mmfeat.store.parts import finish


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
    path = out.with_name(f"{out.name}.lock")
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
