"""`python -m mmfeat_cli` and the console script: the command line, stopped by every Ctrl-C."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time

from mmfeat_cli.terminal import INTERRUPTED

RESEND_SECONDS = 0.01


def main() -> None:
    """Load the commands and run one; Ctrl-C while they load ends like any other."""
    never_lose_interrupts()
    try:
        from mmfeat.core.memory import collect_rarely

        collect_rarely()
        from mmfeat_cli.main import main as run

        run()
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)
    except SystemExit as end:
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
            print(INTERRUPTED, file=sys.stderr)  # typer says nothing about one beside the command
        raise


def never_lose_interrupts() -> None:
    """Send a Ctrl-C again where Python has lost it.

    Python cannot raise an error while it clears away an object. It hands the error to
    `sys.unraisablehook`, a `KeyboardInterrupt` as well, and goes on. h5py clears away an object
    with every access: one in twenty interrupts of a write was lost.
    """
    report = sys.unraisablehook

    def send_again() -> None:
        time.sleep(RESEND_SECONDS)  # until the main thread has left the hook
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            _thread.start_new_thread(send_again, ())  # Thread needs locks that may be held here
        else:
            report(lost)

    sys.unraisablehook = hook


if __name__ == "__main__":
    main()
