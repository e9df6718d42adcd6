"""Every key of `mmfeat.toml`: its type, its default, the value in force and where it comes from."""

from __future__ import annotations

import os
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from mmfeat.config import FILE_NAME, Settings
from mmfeat.core.settings import in_toml, read_document, read_settings
from mmfeat.core.workspace import VARIABLE


def _sections() -> dict[str, Any]:
    """The class of each section; "" holds the keys that belong to none."""
    types = get_type_hints(Settings)
    return {"": Settings} | {name: kind for name, kind in types.items() if is_dataclass(kind)}


SECTIONS = {
    name: tuple(f.name for f in fields(kind) if f.name not in _sections())
    for name, kind in _sections().items()
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of `mmfeat.toml`.

    Attributes
    ----------
    section, name
        As they stand in the file; the section is empty for keys at its top.
    type, choices, help
        What it takes, in words, and what it is for.
    default, value
        As JSON has them: lists for tuples, None where nothing is set.
    origin
        ``default``, ``mmfeat.toml``, or the variable that sets it.
    """

    section: str
    name: str
    type: str
    choices: tuple[str, ...]
    help: str
    default: Any
    value: Any
    origin: str


def list_keys(folder: Path = Path()) -> tuple[Key, ...]:
    """Every key with the value in force in `folder`; raise `ConfigError` for a broken file."""
    settings, document = read_settings(folder), read_document(folder)
    keys = []
    for section, kind in _sections().items():
        held = getattr(settings, section) if section else settings
        given = document.get(section, {}) if section else document
        types = get_type_hints(kind)
        for field in fields(kind):
            if field.name not in SECTIONS[section]:
                continue
            default = field.default if field.default is not MISSING else {}
            value = getattr(held, field.name)
            origin = FILE_NAME if field.name in given else "default"
            if (section, field.name) == ("", "workspace") and os.environ.get(VARIABLE):
                value, origin = os.environ[VARIABLE], VARIABLE
            keys.append(
                Key(
                    section=section,
                    name=field.name,
                    type=in_toml(types[field.name]),
                    choices=field.metadata.get("choices", ()),
                    help=field.metadata.get("help", ""),
                    default=_plain(default),
                    value=_plain(value),
                    origin=origin,
                )
            )
    return tuple(keys)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def to_json(keys: tuple[Key, ...]) -> list[dict[str, Any]]:
    """The keys as a document."""
    return [asdict(key) for key in keys]
