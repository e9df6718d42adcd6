"""Several encoders at a time: each makes a feature set of its own, named after its model.

An entry is the name of a model, then its weights where they are not those of all: ``ViT-L-14``,
``ViT-B-32 random``. A file has one entry per line; `#` begins a comment.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmfeat.config import ExtractSettings
from mmfeat.errors import ConfigError
from mmfeat.extract.encoders.load import find_weights

ENTRY = "an entry of --models is a model, and its weights after a blank where they are its own"


def settings_by_set(settings: ExtractSettings) -> dict[str, ExtractSettings]:
    """The settings of each model of `settings.models`, by the name of its feature set.

    Raises `ConfigError` for an entry that cannot be read, or two of one name, and `EncoderError`
    for an unknown model or weights that are not to be had, before anything is encoded.
    """
    found: dict[str, ExtractSettings] = {}
    for entry in _entries(settings.models):
        model, *weights = _words(entry)
        name = set_name(model, *weights)
        if name in found:
            raise ConfigError(
                "every model of --models has a feature set of its own",
                f"{entry!r} is the second that would be named {name}",
                "leave one out, or extract it alone with --model and --features",
            )
        pretrained = weights[0] if weights else settings.pretrained
        find_weights(model, pretrained)
        found[name] = replace(settings, model=model, pretrained=pretrained)
    return found


def set_name(model: str, weights: str | None = None) -> str:
    """The feature set of a model: its name with a dash for what no folder should have in its own.

    >>> set_name("ViT-B-32", "random"), set_name("hf:google/siglip2-base-patch16-224")
    ('ViT-B-32-random', 'hf-google-siglip2-base-patch16-224')
    >>> set_name("hf:./models/my clip", "weights/best.safetensors")
    'hf-my-clip-best'
    """
    family, colon, name = model.rpartition(":")
    if name.startswith(("/", ".", "~")):  # a folder: where it lies says nothing of the model
        name = Path(name).name
    words = [f"{family}{colon}{name}"]
    if weights is not None:
        words.append(Path(weights).stem if "/" in weights else weights)
    return re.sub(r"[^\w.]+", "-", "-".join(words)).strip("-._") or "model"


def _entries(models: Sequence[str]) -> list[str]:
    """The entries, those of files among them; raise `ConfigError` where a file has none."""
    entries: list[str] = []
    for each in models:
        path = Path(each)
        if not path.is_file() and path.suffix != ".txt":
            entries.append(each)
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                "--models is names or a text file", f"{each}: {error}", "name a file that is there"
            ) from error
        found = [
            line.strip() for line in lines if line.strip() and not line.strip().startswith("#")
        ]
        if not found:
            raise ConfigError(
                "a file of models has one in each line", f"{each} has none", "write e.g. ViT-L-14"
            )
        entries += found
    return entries


def _words(entry: str) -> list[str]:
    try:
        words = shlex.split(entry, comments=True)
    except ValueError as error:
        raise ConfigError(ENTRY, f"{entry!r}: {error}", "write e.g. ViT-B-32 random") from None
    if len(words) not in (1, 2):
        raise ConfigError(ENTRY, f"{entry!r} has {len(words)} words", "write e.g. ViT-B-32 random")
    return words
