"""Messages on standard error, and how errors end."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import typer

from mmfeat.errors import MmfeatError, short
from mmfeat_cli.flags import declare, for_command, running
from mmfeat_cli.parameters import signature_of
from mmfeat_cli.terminal import INTERRUPTED, fitting, has_width, visible, visible_output

Command = TypeVar("Command", bound=Callable[..., Any])


def ending_well(name: str, command: Command) -> Command:
    """Turn what can go wrong in a command into one `error:` line and a status of the contract."""
    declare(name, command)

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            with running(name), visible_output():
                return command(*args, **kwargs)
        except MmfeatError as error:
            fail(for_command(str(error), name))
        except MemoryError as error:
            fail(
                f"the data must fit in memory; allocation failed ({error}); use fewer rows at once"
            )
        except BrokenPipeError:  # the reader of our output has gone, as in `mmfeat … | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            where = f"{short(str(error.filename))}: " if error.filename else ""
            fail(
                f"files must be readable and the disk writable; {where}{error.strerror or error};"
                " check the path, the permissions and the free space"
            )
        except KeyboardInterrupt:
            print(INTERRUPTED, file=sys.stderr)
            raise typer.Exit(130) from None

    signature = signature_of(command)
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
    return run  # type: ignore[return-value]


def fail(line: str) -> NoReturn:
    """Print one `error:` line, wrapped in a terminal alone, and end with status 1."""
    told = "error: " + visible(" ".join(line.split()))
    print(fitting(told) if sys.stderr.isatty() else told, file=sys.stderr)
    raise typer.Exit(1)


def show_messages(*, quiet: bool) -> None:
    """Send the library's messages to standard error; with `quiet` only warnings."""
    handler = _Messages()
    handler.setFormatter(_Plain())
    logger = logging.getLogger("mmfeat")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False
    logging.getLogger("mmfeat.fit.run_fit.folds").setLevel(logging.NOTSET)


def without_folds() -> None:
    """Leave out the message per fold, where many runs are fitted."""
    logging.getLogger("mmfeat.fit.run_fit.folds").setLevel(logging.WARNING)


def without_repeats() -> None:
    """Show a message once, where many models meet the same thing in the same data."""
    shown: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        is_repeated = message in shown
        shown.add(message)
        return not is_repeated

    for handler in logging.getLogger("mmfeat").handlers:
        handler.addFilter(is_new)


@contextmanager
def stopping_gently(what: str) -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C end the work after `what`, and the second at once.

    Gives a function that says whether there was one.
    """
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        note(f"stopping after {what}; Ctrl-C again stops at once")

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # as in a background job, which no Ctrl-C is meant for
        signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


class _Messages(logging.Handler):
    """Writes to standard error as it is at that moment: a live table may stand below."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = visible(" ".join(for_command(record.getMessage()).split()))
        told = f"warning: {message}" if record.levelno >= logging.WARNING else message
        return fitting(told) if has_width(sys.stderr) else told  # whole lines for a file


def note(message: str) -> None:
    """Tell the user something on standard error that is no result."""
    logging.getLogger("mmfeat").info(message)
