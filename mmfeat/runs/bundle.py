"""A bundle: what predicts of a run, in a folder of its own that anybody may have sent.

All of its files are checked against its manifest when it is opened, before anything else in it is
read. From then on a bundle is a `Run` without out-of-fold scores, so that whatever predicts with a
run predicts with a bundle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmfeat.config import MODALITIES, ExtractSettings, choices_of
from mmfeat.core.workspace import Workspace
from mmfeat.errors import RunError, short
from mmfeat.runs.listing import find_run, how_to_begin, list_runs
from mmfeat.runs.run import BUNDLE, Run
from mmfeat.runs.transport.hub import HubAddress, download, is_on_hub
from mmfeat.runs.transport.manifest import MANIFEST, broken, check_files, read_object
from mmfeat.types import OutOfFold

ABOUT, CARD = BUNDLE, "README.md"
WEIGHTS = "encoder/weights.safetensors"  # of the encoder, where they were copied


class Bundle(Run):
    """A bundle on disk; `open` checks all of it."""

    @classmethod
    def open(cls, folder: Path) -> Bundle:
        """Open a bundle; raise `RunError` for any file that is not as it was written."""
        bundle = cls(folder.resolve())
        check_files(bundle.folder)
        if bundle.decision.labels != bundle.labels:
            raise broken(bundle.folder, "its thresholds are of other labels")
        _check_stores(bundle)
        return bundle

    @property
    def about(self) -> dict[str, Any]:
        """What `bundle.json` says: labels, the run, and where the encoder comes from."""
        return read_object(self.folder, ABOUT)

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
    def labels_per_row(self) -> float | None:
        """What the run has of them; None in bundles that do not say."""
        mean = self.about.get("labels_per_row")
        return float(mean) if isinstance(mean, int | float) and mean >= 0 else None

    @property
    def encoder_weights(self) -> Path | None:
        """The weights of the encoder, or the folder of its model, where they are in the bundle."""
        path = self.folder / WEIGHTS
        if path.is_file():
            return path
        return path.parent if path.parent.is_dir() else None

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
    """Find what predicts: a bundle in a folder or on the hub, or a run as `find_run` does.

    A run of the workspace goes before a folder of the same name.
    """
    if isinstance(wanted, str):
        if is_on_hub(wanted):
            return open_bundle(wanted)
        folder = Path(wanted)
        is_run = "/" not in wanted and _is_dir(workspace.run(wanted))
        if not is_run and _is_dir(folder) and is_bundle(folder):
            return Bundle.open(folder)
        if "/" in wanted and not _is_there(folder):
            raise RunError(
                "a bundle is a folder that `mmfeat export --to` wrote",
                f"{short(wanted)} is not there",
                "check the path, or name a run",
            )
    if wanted is None and not list_runs(workspace):
        raise RunError(
            "a run or a bundle is needed",
            f"{workspace.runs} holds no run",
            f"name the folder of a bundle, as in `mmfeat predict FOLDER`; or"
            f" {how_to_begin(workspace)}",
        )
    return find_run(workspace, wanted, tuned=tuned, objective=objective)


def open_bundle(where: Path | str) -> Bundle:
    """Open a bundle in a folder, or at ``hub:REPO[@REVISION]``, from where it is downloaded."""
    if isinstance(where, str) and is_on_hub(where):
        return Bundle.open(download(HubAddress.parse(where)))
    return Bundle.open(Path(where))


def is_bundle(folder: Path) -> bool:
    """Whether a folder says that it is a bundle; it need not be a sound one."""
    return (folder / MANIFEST).is_file() or (folder / BUNDLE).is_file()


def _is_dir(path: Path) -> bool:
    return _is_there(path) and path.is_dir()


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a path, or with a NUL
        return False


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
