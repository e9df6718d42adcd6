"""The text of an `mmfeat.toml`: what was found, why, and what else it could be."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator

from mmfeat.config import ExtractSettings
from mmfeat.init.project import Project

HEAD = """\
# Written by `mmfeat init` from what lies in this folder; edit it as you like.
# Flags of the command line override it, and `mmfeat config` lists every key.
"""
FEW_ROWS = 20  # of a label on average, below which macro-f1 makes rare labels frequent


def settings_text(project: Project) -> str:
    """The file for a project."""
    sections = {
        "data": _data(project),
        "splits": [_key(*split) for split in _tables(project)],
        "extract": _extract(project),
        "fit": _fit(project),
        "thresholds": _thresholds(project),
        "submit": _submit(project),
    }
    wrap = textwrap.TextWrapper(WIDTH, initial_indent="# ", subsequent_indent="#   ")
    notes = "".join(wrap.fill(CONTROLS.sub("?", note)) + "\n" for note in project.notes)
    parts = [f"\n[{name}]\n{_aligned(lines)}\n" for name, lines in sections.items() if lines]
    return "".join([HEAD, notes, *parts])


WIDTH = 80
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # that TOML forbids in a comment
Line = tuple[str, str]  # a key with its value, and what is said about it


def _data(project: Project) -> list[Line]:
    roles, others = project.roles, project.roles.others
    place = roles.place
    lines = [_maybe("images", ".", "the folder of the pictures; no column names any")]
    if place is not None:
        told = f"{project.n_pictures:,} pictures; {place.share:.0%} of those named are there"
        lines = [_key("images", place.images, told)]
    lines.append(_key("id_col", roles.id_col, roles.why.get("id_col", "")))
    if roles.image_col:
        lines.append(_key("image_col", roles.image_col, "names the pictures"))
    if place is not None and place.separator:
        lines.append(_key("image_sep", place.separator, "cells name several pictures"))
    if place is not None and place.suffix:
        lines.append(_key("image_suffix", place.suffix, "their names lack it in the table"))
    lines.append(_key("text_col", roles.text_col, roles.why.get("text_col", "no captions")))
    lines += [_maybe("text_col", name, "or these") for name in others.get("text_col", ())]
    if roles.label_cols:
        lines.append(_key("label_cols", list(roles.label_cols), roles.why["label_cols"]))
    else:
        none = "none that is clear" if others.get("label_col") else "no labels"
        lines.append(_key("label_col", roles.label_col, roles.why.get("label_col", none)))
    if roles.label_sep:
        lines.append(_key("label_sep", roles.label_sep, "between the labels of a cell"))
    lines += [_maybe("label_col", name, "or these") for name in others.get("label_col", ())]
    if others.get("label_cols"):
        lines.append(_maybe("label_cols", list(others["label_cols"]), "or these, of yes and no"))
    if roles.group_cols:
        told = "if rows that share a value are related"
        lines.append(_maybe("group_cols", list(roles.group_cols), told))
    if roles.fold_col:
        lines.append(_maybe("fold_col", roles.fold_col, "if it holds folds"))
    if roles.time_col:
        lines.append(_maybe("time_col", roles.time_col, "if new rows come later than these"))
    return lines


def _tables(project: Project) -> Iterator[tuple[str, str, str]]:
    return ((name, table, told) for name, (table, told) in project.splits.items())


def _extract(project: Project) -> list[Line]:
    lines = [_maybe("model", ExtractSettings().model, "the default; see `mmfeat list encoders`")]
    if project.roles.place is None and project.roles.text_col:
        lines.append(_key("modalities", ["text"], "no column names pictures"))
    if project.prompts:
        lines.append(_key("label_prompts", project.prompts, "for the heads zeroshot and logreg"))
    return lines


def _fit(project: Project) -> list[Line]:
    if project.validation is None:
        return []
    told = "judges instead of folds, if you want it to"
    return [_maybe("validation", project.validation, told)]


def _thresholds(project: Project) -> list[Line]:
    if not (project.roles.label_col or project.roles.label_cols):
        return []
    if project.roles.rows_per_label < FEW_ROWS:
        return [_key("objective", "samples-f1", "for tags; macro-f1: each label counts alike")]
    return [_maybe("objective", "samples-f1", "for tags; by default each label counts alike")]


def _submit(project: Project) -> list[Line]:
    if project.sample is None:
        return []
    return [_key("sample", project.sample, "the submission agrees with it")]


def _key(name: str, value: object, told: str) -> Line:
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list) and len(text) > WIDTH // 2:
        items = text[1:-1].replace('", "', '",\n    "')
        text = f"[\n    {items},\n]"
    return f"{_bare(name)} = {text}", told


def _maybe(name: str, value: object, told: str) -> Line:
    key, told = _key(name, value, told)
    return textwrap.indent(key, "# "), told


def _bare(name: str) -> str:
    """A key as TOML writes it."""
    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if plain else json.dumps(name, ensure_ascii=False)


def _aligned(lines: Iterable[Line]) -> str:
    """Keys with their comments below one another, where they are short."""
    given = list(lines)
    width = max((len(key) for key, _ in given if len(key) <= 40), default=0)
    return "\n".join(f"{key:<{width}}  # {told}" if told else key for key, told in given)
