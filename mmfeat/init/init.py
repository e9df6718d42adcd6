"""The verb `init`: a folder is looked at, and its `mmfeat.toml` is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmfeat.config import FILE_NAME, Settings
from mmfeat.core.checks import check_arguments
from mmfeat.core.files import write_text
from mmfeat.errors import ConfigError
from mmfeat.init.project import Project, look_at
from mmfeat.init.text import settings_text


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The settings that were written.

    Attributes
    ----------
    path
        Of the file.
    text
        What it holds.
    project
        What was found in the folder.
    """

    path: Path
    text: str
    project: Project


@check_arguments
def init(folder: Path | str = ".", *, force: bool = False) -> Proposal:
    """Look at the tables and pictures below a folder, and write an `mmfeat.toml` into it.

    The file says what was found and what else was possible, in comments.

    Parameters
    ----------
    folder
        The folder of the project.
    force
        Replace an `mmfeat.toml` that is there.

    Raises
    ------
    ConfigError
        Where there is one, and for a path that is no folder.
    TableError
        Where no table can be used.
    """
    folder = Path(folder)
    path = folder / FILE_NAME
    if not folder.is_dir():
        remedy = "run `mmfeat init` in its folder" if folder.is_file() else "name another path"
        raise ConfigError("a project is a folder", f"{folder} is none", remedy)
    if path.exists() and not force:
        raise ConfigError(
            f"`mmfeat init` writes {FILE_NAME} once",
            f"{path} is there",
            "edit it, or replace it with --force; `mmfeat config` shows what it sets",
        )
    project = look_at(folder, without=(Settings().workspace,))
    text = settings_text(project)
    write_text(path, text)
    return Proposal(path=path, text=text, project=project)
