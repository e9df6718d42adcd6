"""Bundles on the Hugging Face hub, by huggingface_hub: ``hub:OWNER/NAME[@REVISION]``.

huggingface_hub finds the token, in `HF_TOKEN` or where `hf auth login` put it, and the hub, which
is that of `HF_ENDPOINT`. A repository may come from anybody: of its files only the manifest is
downloaded, then what it lists, where names are no paths and sizes are as they are said to be.
Downloaded bundles lie in `mmfeat/` below `HF_HOME`, a folder per commit.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from mmfeat.core.files import replacing_folder
from mmfeat.core.memory import size_of
from mmfeat.errors import ConfigError, MmfeatError, RunError
from mmfeat.runs.transport.manifest import MANIFEST, MOST_BYTES, broken, read_manifest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

log = logging.getLogger(__name__)
PREFIX = "hub:"
COMMIT = re.compile(r"[0-9a-f]{40}")
REPO = re.compile(r"(?!.*(--|\.\.))\w[\w.-]{0,95}(/\w[\w.-]{0,95})?", re.ASCII)
REVISION = re.compile(r"[\w.][\w./-]{0,200}", re.ASCII)
OWN = (".gitattributes",)  # files of a repository that no bundle has


@dataclass(frozen=True)
class HubAddress:
    """A repository of the hub, and a branch, tag or commit of it; None: its main branch."""

    repo: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``[hub:]OWNER/NAME[@REVISION]``; raise `ConfigError` for anything else."""
        repo, at, revision = text.removeprefix(PREFIX).partition("@")
        if not REPO.fullmatch(repo) or (at and not REVISION.fullmatch(revision)):
            raise ConfigError(
                "a bundle on the hub is OWNER/NAME, or OWNER/NAME@REVISION",
                f"{text!r} is not",
                "check the name",
            )
        return cls(repo, revision or None)

    @classmethod
    def parse_target(cls, text: str) -> Self:
        """Read the repository that a bundle is written to, which has no revision."""
        address = cls.parse(text)
        if address.revision is not None:
            raise ConfigError(
                "a bundle is written to the main branch of OWNER/NAME",
                f"{text!r} names a revision",
                "leave out the part from @ on",
            )
        return address

    def __str__(self) -> str:
        return PREFIX + self.repo + (f"@{self.revision}" if self.revision else "")

    def folder(self, commit: str) -> Path:
        """Where its bundle of a commit lies on this machine; it is named like the repository."""
        return _root() / commit / self.repo.replace("/", "--")

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """Give the path of a folder that a bundle is written to, and `keep` may take."""
        _root().mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=_root(), prefix=".") as folder:
            yield Path(folder) / "bundle"

    def keep(self, folder: Path) -> Path:
        """Put the bundle of this commit where `download` looks for it, unless it is there."""
        place = self.folder(str(self.revision))
        place.parent.mkdir(parents=True, exist_ok=True)
        return place if place.is_dir() else folder.rename(place)


def _root() -> Path:
    from huggingface_hub import constants  # noqa: PLC0415

    return Path(constants.HF_HOME) / "mmfeat"


def is_on_hub(name: object) -> bool:
    """Whether a text is the address of a bundle on the hub."""
    return isinstance(name, str) and name.startswith(PREFIX)


def download(address: HubAddress) -> Path:
    """Give the folder of a bundle, which is downloaded unless it is there.

    With a commit as the revision, one that is there needs no connection. Raises `RunError` where
    the hub does not give it, and for a manifest that no bundle has.
    """
    if address.revision is not None and COMMIT.fullmatch(address.revision):
        there = address.folder(address.revision)
        if there.is_dir():
            return there
    with _asking(address) as api:
        info = api.model_info(address.repo, revision=address.revision, files_metadata=True)
        sizes = {file.rfilename: file.size for file in info.siblings or ()}
        commit = str(info.sha)
        if MANIFEST not in sizes or not COMMIT.fullmatch(commit):
            raise RunError(
                "a bundle is used as `mmfeat export` wrote it",
                f"{address} is a repository without {MANIFEST}",
                "name one that `mmfeat export --to-hub` made",
            )
        place = address.folder(commit)
        if place.is_dir():
            return place
        with replacing_folder(place) as folder:
            _check_size(folder, MANIFEST, sizes[MANIFEST], MOST_BYTES)
            _get(api, address.repo, MANIFEST, commit, folder)
            files = read_manifest(folder)
            for name, known in files.items():
                if name not in sizes or known.get("bytes") != sizes[name]:
                    raise broken(folder, f"{name} is not on the hub with the size it should have")
            total = sum(sizes[name] or 0 for name in files)
            log.info("downloading %s, %s, to %s", address, size_of(total), place)
            for name in files:
                _get(api, address.repo, name, commit, folder)
            shutil.rmtree(folder / ".cache")  # of huggingface_hub
    return place


def upload(folder: Path, address: HubAddress, *, message: str, overwrite: bool) -> HubAddress:
    """Put a bundle into a repository as one commit, and give its address with the commit.

    A repository that is not there yet is made, and private. One that holds a bundle is replaced
    with `overwrite` alone, and one that holds something else never: `ConfigError`. Raises
    `RunError` where the hub refuses.
    """
    with _asking(address) as api:
        repo = api.create_repo(address.repo, private=True, exist_ok=True).repo_id
        info = api.model_info(repo)
        names = {file.rfilename for file in info.siblings or ()} - {*OWN}
        if names and not (overwrite and MANIFEST in names):
            found = "a bundle already" if MANIFEST in names else "something else"
            remedy = "give --overwrite, or " if MANIFEST in names else ""
            raise ConfigError(
                "a bundle goes into a new repository of the hub",
                f"{repo} holds {found}",
                f"{remedy}choose another --to-hub",
            )
        done = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            commit_message=message,
            parent_commit=info.sha,
            delete_patterns="*",
        )
    return HubAddress(repo, done.oid)


def _get(api: HfApi, repo: str, name: str, commit: str, folder: Path) -> None:
    api.hf_hub_download(repo, name, revision=commit, local_dir=folder)


def _check_size(folder: Path, name: str, size: int | None, most: int) -> None:
    if size is None or size > most:
        raise broken(folder, f"{name} has {size or 0:,} bytes; {most:,} are allowed")


@contextmanager
def _asking(address: HubAddress) -> Iterator[HfApi]:
    """Give what asks the hub, silently; its errors become a `RunError` of one line."""
    from huggingface_hub import HfApi, errors  # noqa: PLC0415 - loads slowly
    from huggingface_hub.utils.tqdm import (  # noqa: PLC0415
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    client_error: type[Exception] = errors.HfHubHTTPError.__bases__[0]  # whichever client it uses
    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield HfApi(library_name="mmfeat")
    except MmfeatError:
        raise
    except (OSError, ValueError, client_error, errors.EntryNotFoundError) as error:
        said = getattr(error, "server_message", None) or str(error).partition("\n")[0]
        raise RunError(
            "the hub must answer, and let you read or write the repository",
            f"{address}: {type(error).__name__}: {said}",
            "check the name, the connection, the free space, and the token (`hf auth login`, or"
            " HF_TOKEN)",
        ) from error
    finally:
        if shown:
            enable_progress_bars()
