"""A model as the Hugging Face hub lays it out: a folder, in the cache, or downloaded.

Only its settings, tokenizer and weights are fetched. Code that lies beside them is neither
fetched nor run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import RepoCard, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from mmfeat.config import AUTO
from mmfeat.core.files import file_sha256
from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.weights.place import HUB, WITHOUT, reachable, split_tag

SETTINGS = ("*.json", "*.txt", "*.model", "*.jinja", "README.md")
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")  # of the first kind that there is
MODULES = "modules.json"  # of sentence-transformers
SITE = "https://huggingface.co"  # where its people look
SAYS = "the model must be a local folder or downloadable"


def find_folder(name: str, *, pretrained: str, family: str) -> Path:
    """Find the folder of a model, in the cache too, or download it.

    `name` is a folder or a repository of the hub; with another `pretrained` than ``auto`` and
    ``random``, that is the folder, or behind the = of ``auto=FOLDER``. Raises `EncoderError` where
    there is none.
    """
    given = _given(name, pretrained)
    folder = Path(given).expanduser()
    if given and folder.is_dir():
        if not (folder / "config.json").is_file() and not (folder / MODULES).is_file():
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


def weights_in(folder: Path) -> list[Path]:
    """The files of weights of a model; of sentence-transformers, those of each of its modules.

    Raises `EncoderError` where there are none.
    """
    is_st = (folder / MODULES).is_file()
    parts = [part for part, _ in read_modules(folder)] if is_st else [folder]
    if files := [file for part in parts for file in _weights_of(part)]:
        return files
    raise EncoderError(
        "the folder of a model has model.safetensors, or pytorch_model.bin with nothing but"
        " weights",
        f"{folder} has neither",
        "save the model with `save_pretrained`, or use --pretrained random",
    )


def read_modules(folder: Path) -> list[tuple[Path, str]]:
    """The folder and the class of each module of a model of sentence-transformers.

    Raises `EncoderError` where modules.json is not there or does not say them.
    """
    try:
        modules = json.loads((folder / MODULES).read_text(encoding="utf-8"))
        return [(folder / str(part["path"]), str(part["type"])) for part in modules]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            "the folder of a model of sentence-transformers has modules.json",
            f"{folder} has none that can be read",
            "save it with `save_pretrained`, or use --model hf:NAME for a model of transformers",
        ) from error


def _weights_of(part: Path) -> list[Path]:
    """One file, or the parts of one; safetensors come first."""
    for pattern in WEIGHTS:
        stem, suffix = pattern.split("*")
        if (part / f"{stem}{suffix}").is_file():
            return [part / f"{stem}{suffix}"]
        if files := sorted(part.glob(f"{stem}-*{suffix}")):
            return files
    return []


def copy_model(folder: Path, target: Path) -> None:
    """Copy what `load` reads of a model: its settings, its weights and its card."""
    kept = [file for pattern in SETTINGS for file in folder.rglob(pattern)]
    for file in [*kept, *weights_in(folder)]:
        to = target / file.relative_to(folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to)


def settings_sha256(folder: Path) -> str:
    """The sha256 of what decides embeddings beside the weights: settings and vocabulary."""
    files = [f for pattern in SETTINGS[:-1] for f in folder.rglob(pattern) if f.is_file()]
    named = sorted((str(file.relative_to(folder)), file) for file in files)
    lines = "".join(f"{file_sha256(file)}  {name}\n" for name, file in named)
    return hashlib.sha256(lines.encode()).hexdigest()


def describe(name: str, *, pretrained: str, library: str) -> str:
    """Say where a model comes from, with the licence that its card states, if that is here."""
    given = _given(name, pretrained)
    folder = Path(given).expanduser()
    where, licence = f"a local folder, {folder.resolve().name}", None
    try:
        if not folder.is_dir():
            folder, where = _cached(name) or folder, f"{SITE}/{name}"
        stated = RepoCard.load(folder / "README.md", ignore_metadata_errors=True).data.to_dict()
        licence = stated.get("license_name") or stated.get("license")
    except (OSError, ValueError):
        pass  # nothing is stated here
    return f"{where} ({library}; licence by its card: {licence or 'not stated'})"


def _given(name: str, pretrained: str) -> str:
    """The folder or repository that is meant; see `find_folder`."""
    tag, elsewhere = split_tag(pretrained)
    return elsewhere or (name if tag in (AUTO, "", "random") else tag)


@contextmanager
def explained(what: str, folder: Path) -> Iterator[None]:
    """Turn what a library raises on a folder into `EncoderError`, and keep it from talking."""
    from transformers.utils import logging as talk  # noqa: PLC0415 (an extra)

    told, bars = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity(talk.CRITICAL)
    talk.disable_progress_bar()
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
        talk.set_verbosity(told)
        if bars:
            talk.enable_progress_bar()


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
    cached = _cached(name)
    if cached is not None and _is_whole(cached):
        return cached
    remedy = f"download it elsewhere and name its folder: --model {family}:FOLDER; {WITHOUT}"
    if not reachable(HUB):
        raise EncoderError(
            SAYS, f"{name} is no folder, not cached, and the hub ({HUB}) cannot be reached", remedy
        )
    try:
        for kind in WEIGHTS:
            wanted = [*SETTINGS, kind, f"*/{kind}"]
            folder = Path(snapshot_download(name, allow_patterns=wanted))
            if _is_whole(folder):
                return folder
    except (OSError, RuntimeError, ValueError) as error:
        raise EncoderError(SAYS, f"{name}: {_first_line(error)}", remedy) from error
    raise EncoderError(SAYS, f"{name} has no weights of torch", remedy)


def _cached(name: str) -> Path | None:
    """The folder of a repository in the cache."""
    for file in (MODULES, "config.json"):
        if isinstance(found := try_to_load_from_cache(name, file), str):
            return Path(found).parent
    return None


def _is_whole(folder: Path) -> bool:
    """Whether a snapshot, of which any part may be cached, has weights, and all parts of them."""
    for index in folder.rglob("*.index.json"):
        parts = json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values()
        if not all((index.parent / part).is_file() for part in parts):
            return False
    return any(next(folder.rglob(pattern), None) is not None for pattern in WEIGHTS)
