"""Atomic writes: a kill at any moment leaves the old file or the new one, never a part."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, chdir, contextmanager
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Any

from mmfeat.errors import ConfigError

SYSTEM_FOLDER = "/"
READER_SECONDS = 2.0
HOST = socket.gethostname().replace("/", "-")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; at the end flush it to disk and rename it to `path`.

    If the body raises, the temporary file is removed and `path` is unchanged. Temporary files
    that killed processes of this machine left are removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    partial = path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
        sync(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed write names no file
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """As `replacing`, for a folder: yield an empty one, which takes the place of `path`.

    Between two renames there is neither; a kill then leaves the old one as ``.NAME.….old``, which
    the next call puts back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.{glob.escape(HOST)}.*"):
        _, process, kind = left.name.rsplit(".", 2)
        if not process.isdecimal() or is_alive(int(process)):
            continue
        if kind == "old" and not path.exists():
            left.rename(path)
        elif kind in ("old", "tmp"):
            shutil.rmtree(left, ignore_errors=True)
    partial = path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp")
    old = partial.with_suffix(".old")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        for written in sorted(partial.rglob("*"), reverse=True):
            sync(written)
        sync(partial)
        if path.exists():
            path.rename(old)
        partial.rename(path)
        sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def writing(path: Path, *, reader_seconds: float = READER_SECONDS) -> Iterator[Path]:
    """As `replacing`, for a file that a user has named: what it is stays.

    Where it is a link, the file that it points to is replaced; a device or a pipe gets the
    content. A pipe without a reader is waited for so long; then `ConfigError` is raised.
    """
    path = Path(os.path.realpath(path))
    if path.is_file() or not path.exists():
        with replacing(path) as partial:
            yield partial
        return
    with tempfile.TemporaryDirectory() as folder:
        partial = Path(folder) / path.name
        yield partial
        with partial.open("rb") as written, _open_device(path, reader_seconds) as file:
            shutil.copyfileobj(written, file)


def _open_device(path: Path, reader_seconds: float) -> BufferedWriter:
    """Open a device or a pipe for writing; raise `ConfigError` for a pipe without a reader."""
    end = time.monotonic() + reader_seconds
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() < end:
                time.sleep(0.02)
                continue
            raise ConfigError(
                "a pipe needs a program that reads from it",
                f"no program reads {path}",
                "start the reader first, or choose another --out",
            ) from None
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "wb")


def share_as_folder(path: Path) -> None:
    """Let those read and write a file who may do so in its folder.

    safetensors writes files for their owner alone, whatever the umask is.
    """
    path.chmod(path.parent.stat().st_mode & 0o666)


def check_output(path: Path, inputs: Iterable[Path | str | None]) -> None:
    """Raise `ConfigError` where a file that is to be written is one of those that are read."""
    for name in inputs:
        if name is not None and path.exists() and Path(name).exists() and path.samefile(name):
            raise ConfigError(
                "an output must not overwrite its own input",
                f"{path} is one of the inputs",
                "choose another --out",
            )


def remove_leftovers(path: Path) -> None:
    """Remove temporary files of `path` whose process, of this machine, is dead."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}.{glob.escape(HOST)}.*.tmp"):
        process = partial.name.split(".")[-2]
        if process.isdecimal() and not is_alive(int(process)):
            partial.unlink(missing_ok=True)


def away_from_data() -> AbstractContextManager[None]:
    """Stand in a folder that only the owner of the system writes into.

    For libraries that take modules or settings from the current folder, which may be a folder of
    data that comes from anybody.
    """
    return chdir(SYSTEM_FOLDER)


def is_alive(process: int) -> bool:
    """Whether there is a process of this number, also one of another user."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's
        return True
    return True


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """The sha256 of a file in hexadecimal, read in chunks; raises what `open_file` raises."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading; raise `OSError` for a pipe or a device, which may never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_json(path: Path) -> Any:
    """Read a JSON document; raise `OSError` or, where it is none, `ValueError`."""
    with open_file(path) as file:
        content = file.read()
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` in UTF-8, atomically."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, document: Any) -> None:
    """Replace `path` by `document` as indented JSON, atomically."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def why_no_file(path: Path) -> str:
    """What `path` is where it is no file, for an error: a pipe would be waited for."""
    if not path.exists():
        return "is not there"
    return "is a folder" if path.is_dir() else "is a pipe or a device"


def names_beside(path: Path) -> list[str]:
    """The names in the folder of `path`, for a remedy; none where it cannot be listed."""
    try:
        return sorted(other.name for other in path.parent.iterdir())
    except OSError:
        return []


def files_sha256(paths: Sequence[Path]) -> str:
    """The sha256 of a file; of several, that of their digests and names."""
    if len(paths) == 1:
        return file_sha256(paths[0])
    lines = "".join(f"{file_sha256(path)}  {path.name}\n" for path in paths)
    return hashlib.sha256(lines.encode()).hexdigest()
