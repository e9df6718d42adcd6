"""What the commands share: options, settings, messages, and how errors end."""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from mmfeat.config import Settings, read_settings
from mmfeat.errors import ConfigError, MmfeatError
from mmfeat.runs.workspace import Workspace

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "-w", "--workspace", envvar="MMFEAT_WORKSPACE", help="Folder of features, runs, …"
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress, only results and errors.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
RunArgument = Annotated[str | None, typer.Argument(help="A run's name; left out: the newest.")]

TrackOption = Annotated[
    str | None, typer.Option("--track", help="Send the run: mlflow, wandb or tensorboard.")
]

MaxMemoryOption = Annotated[
    str | None,
    typer.Option("--max-memory", help="E.g. 2GiB: features beyond it are read slice by slice."),
]

RayAddress = Annotated[
    str | None, typer.Option("--ray-address", help="Of --engine ray: auto, or HOST:PORT.")
]

# The columns of a table.
IdCol = Annotated[str | None, typer.Option("--id-col", help="Column of the ids.")]
ImageCol = Annotated[
    str | None, typer.Option("--image-col", help="Column of the images' paths; default: the id.")
]
TextCol = Annotated[str | None, typer.Option("--text-col", help="Column of the captions.")]
LabelCol = Annotated[str | None, typer.Option("--label-col", help="Column of the labels.")]
LabelSep = Annotated[str | None, typer.Option("--label-sep", help="What separates labels.")]
LabelCols = Annotated[
    str | None, typer.Option("--label-cols", help="Columns of 0 and 1, comma-separated.")
]

StoreSplit = Annotated[
    str | None, typer.Option("--split", help="Name of the store; default: the table's name.")
]
FeatureSet = Annotated[
    str | None, typer.Option("--features", help="Name of a feature set of its own.")
]
RowsPerFile = Annotated[
    int | None,
    typer.Option("--rows-per-file", min=0, help="Cut the store into files; 0: one file."),
]
StoreOut = Annotated[Path | None, typer.Option("--out", help="Path of the store.")]

Command = TypeVar("Command", bound=Callable[..., Any])


def ending_well(command: Command) -> Command:
    """Turn what can go wrong into one `error:` line and the exit status of the contract."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except MmfeatError as error:
            fail(str(error))
        except MemoryError as error:
            fail(f"the data must fit in memory; it does not ({error}); use fewer rows at once")
        except BrokenPipeError:  # the reader of our output has gone, as in `mmfeat … | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            fail(
                f"files must be readable and the disk writable; {where}{error.strerror or error};"
                " check the path, the permissions and the free space"
            )
        except KeyboardInterrupt:
            print("interrupted; run the same command again to go on", file=sys.stderr)
            raise typer.Exit(130) from None

    return run  # type: ignore[return-value]


def fail(line: str) -> NoReturn:
    """Print one `error:` line and end with status 1."""
    print("error: " + " ".join(line.split()), file=sys.stderr)
    raise typer.Exit(1)


def start(workspace: Path | None, *, quiet: bool = False) -> tuple[Settings, Workspace]:
    """Set up messages on standard error; read mmfeat.toml; find the workspace."""
    show_messages(quiet=quiet)
    settings = read_settings()
    return settings, Workspace(workspace or Path(settings.workspace))


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
    """Show a warning once, where many models meet the same thing in the same data."""
    shown: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        repeated = record.levelno >= logging.WARNING and message in shown
        shown.add(message)
        return not repeated

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
        message = " ".join(record.getMessage().split())
        return f"warning: {message}" if record.levelno >= logging.WARNING else message


def note(message: str) -> None:
    """Tell the user something on standard error that is no result."""
    logging.getLogger("mmfeat").info(message)


def print_json(document: Any) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in aligned columns: the first column to the left, numbers to the right."""
    cells = [list(header), *([_text(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    left = [all(not _is_number(row[i]) for row in cells[1:]) for i in range(len(header))]
    for row in cells:
        padded = [
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(row, widths, left, strict=True)
        ]
        print("  ".join(padded).rstrip())


def settings_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """Split `--set key=value` texts; dashes in a key may be written for underscores."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise ConfigError(
                "--set takes key=value", f"{pair!r} is not", "write e.g. --set dropout=0.5"
            )
        found[key.strip().replace("-", "_")] = value.strip()
    return found


def names(text: str | None) -> tuple[str, ...]:
    """Split a comma-separated option."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _text(value: object) -> str:
    if value is None:
        return "n/a"
    if isinstance(value, list):
        return " to ".join(_text(part) for part in value)
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _is_number(text: str) -> bool:
    return text == "n/a" or text.replace(".", "", 1).lstrip("-").isdigit()
