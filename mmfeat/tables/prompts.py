"""Label prompts: texts that describe the labels, for zero-shot heads and fusions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmfeat.core.plugins import resolve
from mmfeat.errors import TableError
from mmfeat.tables.read import READERS, check_storable
from mmfeat.tables.readers.columns import Columns, as_text
from mmfeat.tables.readers.encoding import decode

TEMPLATES = ".txt"
PLACE = "{}"  # of the label in a template


def read_prompts(path: Path, *, labels: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Read (label, prompt) pairs for `labels`, in their order; a label may have several prompts.

    The file is a table (see `READERS`) with the columns ``label`` and ``prompt``, or a ``.txt``
    of templates, one per line, with ``{}`` in place of the label. Labels of the file that are not
    among `labels` are ignored. Raises `TableError` for a missing or broken file, a
    label without a prompt, and a template without ``{}``.
    """
    suffixes = (*READERS, TEMPLATES)
    if path.suffix.lower() not in suffixes or not path.is_file():
        raise TableError(
            f"label prompts are one file of {', '.join(suffixes)}",
            f"{path} {'is not there' if path.suffix.lower() in suffixes else 'is not'}",
            "name a table with the columns label and prompt, or templates such as: a photo of a {}",
        )
    read = _filled_in if path.suffix.lower() == TEMPLATES else _listed
    pairs = read(path, labels)
    check_storable("prompt", [prompt for _, prompt in pairs], path)
    return pairs


def _filled_in(path: Path, labels: Sequence[str]) -> tuple[tuple[str, str], ...]:
    lines = decode(path.read_bytes(), str(path)).splitlines()
    templates = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    wrong = next((line for line in templates if PLACE not in line), None)
    if wrong is not None or not templates:
        raise TableError(
            f"a template has {PLACE} in place of the label, one template per line",
            f"{path} has {'none' if wrong is None else repr(wrong[:60])}",
            "write e.g.: a photo of a {}",
        )
    return tuple((label, line.replace(PLACE, label)) for label in labels for line in templates)


def _listed(path: Path, labels: Sequence[str]) -> tuple[tuple[str, str], ...]:
    reader = resolve(path.suffix.lower(), READERS, "table reader")
    columns: Columns = reader(path.read_bytes(), str(path), "prompt")
    missing = [name for name in ("label", "prompt") if name not in columns.values]
    if missing:
        raise TableError(
            "a table of label prompts has the columns 'label' and 'prompt'",
            f"{path} has {', '.join(map(repr, columns.values)) or 'no columns'}",
            "rename its columns",
        )
    prompts: dict[str, dict[str, None]] = {}
    named = (as_text(columns.values[name]) for name in ("label", "prompt"))
    for label, prompt in zip(*named, strict=True):
        if prompt.strip():
            prompts.setdefault(label.strip(), {})[prompt.strip()] = None
    bare = [label for label in labels if label not in prompts]
    if bare:
        raise TableError(
            "every label of the table needs a prompt",
            f"{path} has none for {len(bare)} of {len(labels)}, e.g. {', '.join(bare[:3])}",
            "add rows for them",
        )
    return tuple((label, prompt) for label in labels for prompt in prompts[label])
