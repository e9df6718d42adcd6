"""A model as the Hugging Face hub lays it out: a folder, in the cache, or downloaded.

Only its settings, tokenizer and weights are fetched. Code that lies beside them is neither
fetched nor run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub import RepoCard, snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from mmfeat.config import AUTO
from mmfeat.core.files import file_sha256
from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.weights import HUB, reachable

SETTINGS = ("*.json", "*.txt", "*.model", "*.jinja", "README.md")
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")  # of the first kind that there is
SAYS = "the model must be a local folder or downloadable"


def find_folder(name: str, *, pretrained: str, family: str) -> Path:
    """Find the folder of a model, in the cache too, or download it.

    `name` is a folder or a repository of the hub; with another `pretrained` than ``auto`` and
    ``random``, that is the folder. Raises `EncoderError` where there is none.
    """
    given = name if pretrained in (AUTO, "", "random") else pretrained
    folder = Path(given).expanduser()
    if given and folder.is_dir():
        if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
            raise EncoderError(
                "the folder of a model has config.json, as `save_pretrained` writes it",
                f"{folder} has none",
                "name the folder that the model was saved to",
            )
        return folder
    try:
        if given and given == name:
            return _from_hub(name, family=family)
    except HFValidationError:
        given = ""
    raise EncoderError(
        f"--model {family}:NAME is a folder or a repository of the hub, --pretrained a folder",
        f"{given or name!r} is no folder{'' if given else ' and no name of a repository'}",
        f"use e.g. {family}:./FOLDER, as `save_pretrained` writes it",
    )


def find_weights(folder: Path) -> list[Path]:
    """The files of weights in a folder: one, or the parts of one; safetensors come first.

    Raises `EncoderError` where there are none.
    """
    for pattern in WEIGHTS:
        stem, suffix = pattern.split("*")
        whole = folder / f"{stem}{suffix}"
        if whole.is_file():
            return [whole]
        if parts := sorted(folder.glob(f"{stem}-*{suffix}")):
            return parts
    raise EncoderError(
        "the folder of a model has model.safetensors, or pytorch_model.bin with nothing but"
        " weights",
        f"{folder} has neither",
        "save the model with `save_pretrained`, or use --pretrained random",
    )


def files_sha256(files: list[Path]) -> str:
    """The sha256 of a file; of several, that of their names and digests."""
    if len(files) == 1:
        return file_sha256(files[0])
    lines = "".join(f"{file_sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def settings_sha256(folder: Path) -> str:
    """The sha256 of what decides embeddings beside the weights: settings and vocabulary."""
    files = [f for pattern in SETTINGS[:-1] for f in folder.rglob(pattern) if f.is_file()]
    named = sorted((str(file.relative_to(folder)), file) for file in files)
    lines = "".join(f"{file_sha256(file)}  {name}\n" for name, file in named)
    return hashlib.sha256(lines.encode()).hexdigest()


def describe(name: str, folder: Path, *, library: str) -> str:
    """Say where a model comes from, with the licence that its card states."""
    card = folder / "README.md"
    try:
        stated = RepoCard.load(card, ignore_metadata_errors=True).data.to_dict()
        licence = stated.get("license_name") or stated.get("license")
    except (OSError, ValueError):
        licence = None
    where = f"a local folder, {folder.resolve().name}"
    if not Path(name).expanduser().is_dir():
        where = f"https://huggingface.co/{name}"
    return f"{where} ({library}; licence by its card: {licence or 'not stated'})"


@contextmanager
def explained(what: str, folder: Path) -> Iterator[None]:
    """Turn what a library raises on a folder into `EncoderError`, and keep it from talking."""
    told = transformers.logging.get_verbosity()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    transformers.logging.disable_progress_bar()
    try:
        yield
    except EncoderError:
        raise
    except Exception as error:  # a library raises anything on the files of others
        raise EncoderError(
            f"{what} must load from the folder of the model, without code of its own",
            f"{folder}: {_first_line(error)}",
            "save it again with `save_pretrained`, or install the package that it needs",
        ) from error
    finally:
        transformers.logging.set_verbosity(told)
        if bars:
            transformers.logging.enable_progress_bar()


def check_tensors(found: dict[str, Any], folder: Path) -> None:
    """Check that every tensor found its place, by what `from_pretrained` says of its loading."""
    for key, told in (
        ("missing_keys", "the weights lack {}"),
        ("unexpected_keys", "the model has no place for {}"),
        ("mismatched_keys", "the shape of {} is another"),
    ):
        names = sorted(str(name[0] if isinstance(name, tuple) else name) for name in found[key])
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise EncoderError(
                "weights must belong to the model",
                f"in {folder} {told.format(names[0] + more)}",
                "save the whole model again with `save_pretrained`",
            )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:300]


def _from_hub(name: str, *, family: str) -> Path:
    cached = _snapshot(name, local_files_only=True)
    if cached is not None and _is_whole(cached):
        return cached
    remedy = f"download it elsewhere and name its folder: --model {family}:FOLDER"
    if not reachable(HUB):
        raise EncoderError(
            SAYS, f"{name} is no folder, not cached, and the hub ({HUB}) cannot be reached", remedy
        )
    try:
        for kind in WEIGHTS:
            folder = _snapshot(name, allow_patterns=[*SETTINGS, kind, f"*/{kind}"])
            if folder is not None and _is_whole(folder):
                return folder
    except (OSError, RuntimeError, ValueError) as error:
        raise EncoderError(SAYS, f"{name}: {_first_line(error)}", remedy) from error
    raise EncoderError(SAYS, f"{name} has no weights of torch", remedy)


def _snapshot(name: str, **options: Any) -> Path | None:
    try:
        return Path(snapshot_download(name, **options))
    except LocalEntryNotFoundError:
        return None


def _is_whole(folder: Path) -> bool:
    """Whether a snapshot, of which any part may be cached, has weights."""
    return any(next(folder.rglob(pattern), None) is not None for pattern in WEIGHTS)
