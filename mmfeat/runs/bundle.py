"""A bundle: what predicts of a run, in a folder of its own that anybody may have sent.

`manifest.json` has the sha256 and the size of every other file. All of them are checked when a
bundle is opened, before anything else in it is read. From then on a bundle is a `Run` without
out-of-fold scores, so that whatever predicts with a run predicts with a bundle.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NoReturn

from mmfeat.config import MODALITIES, ExtractSettings, choices_of
from mmfeat.core.files import file_sha256, read_json, write_json
from mmfeat.core.workspace import Workspace
from mmfeat.errors import RunError
from mmfeat.runs.listing import find_run
from mmfeat.runs.run import BUNDLE, Run
from mmfeat.types import OutOfFold

MANIFEST, ABOUT, CARD = "manifest.json", BUNDLE, "README.md"
WEIGHTS = "encoder/weights.safetensors"  # of the encoder, where they were copied
FORMAT = 1
KINDS = (".json", ".safetensors", ".txt", ".md")  # of files; none of them is executed
MOST_FILES = 100_000
MOST_BYTES = 2**28  # of a file that is parsed as a whole; tensors are mapped
NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}(/[^/\\\x00-\x1f\x7f]{1,200}){0,7}")


class Bundle(Run):
    """A bundle on disk; `open` checks all of it."""

    @classmethod
    def open(cls, folder: Path) -> Bundle:
        """Open a bundle; raise `RunError` for any file that is not as it was written."""
        bundle = cls(folder.resolve())
        _check_files(bundle.folder)
        if bundle.decision.labels != bundle.labels:
            raise broken(bundle.folder, "its thresholds are of other labels")
        _check_stores(bundle)
        return bundle

    @property
    def about(self) -> dict[str, Any]:
        """What `bundle.json` says: labels, the run, and where the encoder comes from."""
        return _read(self.folder, ABOUT)

    @property
    def is_done(self) -> bool:
        """A bundle is always finished."""
        return True

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels."""
        names = self.about.get("labels")
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise broken(self.folder, "its labels are no names")
        if not names or len(set(names)) < len(names):
            raise broken(self.folder, "its labels are none, or some of them equal")
        return tuple(names)

    @property
    def encoder_weights(self) -> Path | None:
        """The weights of the encoder, where they are in the bundle."""
        path = self.folder / WEIGHTS
        return path if path.is_file() else None

    @property
    def oof(self) -> OutOfFold:
        """A bundle has none; raise `RunError`."""
        raise RunError(
            "out-of-fold scores are in the run",
            f"{self.folder} is a bundle, which predicts",
            "name the run that it was exported from",
        )


def find_predictor(
    workspace: Workspace,
    wanted: Run | str | None,
    *,
    tuned: bool = False,
    objective: str | None = None,
) -> Run:
    """Find what predicts: the folder of a bundle, or a run as `find_run` does.

    A run of the workspace goes before a folder of the same name.
    """
    if isinstance(wanted, str):
        folder = Path(wanted)
        is_run = "/" not in wanted and _is_dir(workspace.run(wanted))
        if not is_run and _is_dir(folder) and is_bundle(folder):
            return Bundle.open(folder)
    return find_run(workspace, wanted, tuned=tuned, objective=objective)


def write_manifest(folder: Path) -> None:
    """Write the sha256 and the size of every file below `folder`."""
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    sums = {
        name: {"sha256": file_sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in files
    }
    write_json(folder / MANIFEST, {"format": FORMAT, "files": sums})


def is_bundle(folder: Path) -> bool:
    """Whether a folder says that it is a bundle; it need not be a sound one."""
    return (folder / MANIFEST).is_file() or (folder / BUNDLE).is_file()


def broken(folder: Path, found: str) -> RunError:
    """Make the error of a bundle that cannot be used."""
    return RunError(
        "a bundle is used as `mmfeat export` wrote it",
        f"{folder}: {found}",
        "copy it again, or export it again",
    )


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # the name is too long
        return False


def _check_files(folder: Path) -> None:
    """Compare everything below `folder` with its manifest."""
    manifest = _read(folder, MANIFEST)
    if manifest.get("format") != FORMAT:
        found = f"its format is {manifest.get('format')!r}, this mmfeat reads {FORMAT}"
        raise broken(folder, found)
    files = manifest.get("files")
    if not isinstance(files, dict) or not 0 < len(files) <= MOST_FILES:
        raise broken(folder, f"{MANIFEST} lists no files, or too many")
    for name, known in files.items():
        if not _is_plain(name) or not isinstance(known, dict):
            raise broken(folder, f"{MANIFEST} has the entry {name!r}, which is no file of a bundle")
    present = set(_walk(folder)) - {MANIFEST}
    if odd := sorted(present ^ set(files)):
        what = "is not in the manifest" if odd[0] in present else "is missing"
        raise broken(folder, f"{odd[0]} {what}")
    for name, known in files.items():
        _check_file(folder, name, known)


def _check_stores(bundle: Bundle) -> None:
    """Check what is said of the encoder, which is loaded and named by it."""
    stores = bundle.provenance["stores"]
    if not stores:
        raise broken(bundle.folder, "its provenance names no stores")
    for store in stores:
        encoder = store.get("encoder") if isinstance(store, dict) else None
        if not isinstance(encoder, dict) or not isinstance(encoder.get("name"), str):
            raise broken(bundle.folder, "its provenance names no encoder")
        if "weights_sha256" in encoder:
            texts = [store.get("dtype"), encoder.get("precision"), encoder.get("pretrained", "")]
            modalities = store.get("modalities")
            known = isinstance(modalities, list) and set(map(str, modalities)) <= set(MODALITIES)
            if not known or not all(isinstance(text, str) and "/" not in text for text in texts):
                raise broken(bundle.folder, "its provenance does not say how rows are encoded")
            if store["dtype"] not in choices_of(ExtractSettings, "dtype"):
                raise broken(bundle.folder, f"its embeddings are {store['dtype']}")


def _check_file(folder: Path, name: str, known: dict[str, Any]) -> None:
    path = folder / name
    size = path.stat().st_size
    if path.suffix != ".safetensors" and size > MOST_BYTES:
        raise broken(folder, f"{name} has {size:,} bytes; {MOST_BYTES:,} are allowed")
    try:
        sha256 = file_sha256(path) if size == known.get("bytes") else None
    except OSError as error:
        raise broken(folder, f"{name}: {error.strerror}") from error
    if sha256 is None or sha256 != known.get("sha256"):
        raise broken(folder, f"{name} has changed since it was written: its sha256 differs")


def _walk(folder: Path) -> list[str]:
    """The files below a folder, by name; raise `RunError` for a link and for too many."""

    def fail(error: OSError) -> NoReturn:
        raise broken(folder, f"{error.filename}: {error.strerror}") from error

    names: list[str] = []
    for place, folders, files in os.walk(folder, onerror=fail):
        for name in (*folders, *files):
            if Path(place, name).is_symlink():
                raise broken(folder, f"{name} is a link")
        names += [Path(place, name).relative_to(folder).as_posix() for name in files]
        if len(names) > MOST_FILES:
            raise broken(folder, f"it has more than {MOST_FILES:,} files")
    return names


def _is_plain(name: str) -> bool:
    parts = name.split("/")
    return (
        bool(NAME.fullmatch(name))
        and not any(p in ("", ".", "..") for p in parts)
        and (Path(name).suffix in KINDS)
    )


def _read(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    try:
        if path.stat().st_size > MOST_BYTES:
            raise broken(folder, f"{name} is too large")
        document = read_json(path)
    except OSError as error:
        raise broken(folder, f"{name}: {error.strerror or error}") from error
    except ValueError as error:
        raise broken(folder, f"{name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise broken(folder, f"{name} is not a JSON object")
    return document
