"""The verb `convert`: a data set of another tool becomes tables, pictures and an `mmfeat.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmfeat.config import FILE_NAME
from mmfeat.convert import FORMATS
from mmfeat.convert.rows import Format, Source
from mmfeat.convert.write import PICTURES, told, write_folder
from mmfeat.core.checks import check_arguments
from mmfeat.core.files import replacing_folder
from mmfeat.core.plugins import resolve
from mmfeat.errors import ConfigError, TableError


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What was written.

    Attributes
    ----------
    path
        The folder: a table per split, `mmfeat.toml`, and `images/` of pictures that were no files.
    format
        The format of the source.
    splits
        Number of rows of each split.
    labels
        All labels, sorted.
    notes
        What was odd, a line each with its number.
    """

    path: Path
    format: str
    splits: dict[str, int]
    labels: tuple[str, ...]
    notes: tuple[str, ...]


@check_arguments
def convert(
    source: Path | str,
    to: Path | str,
    *,
    format: str | None = None,
    images: Path | str | None = None,
    id_col: str | None = None,
    text_col: str | None = None,
    label_col: str | None = None,
    overwrite: bool = False,
) -> Converted:
    """Write a data set of another tool as tables and pictures, which every command reads.

    Pictures that are files stay where they are; those inside of the source are written to
    ``images/``. No code of the source is run, and nothing is fetched.

    Parameters
    ----------
    source
        A file or folder.
    to
        The folder to write, which appears when it is complete.
    format
        One of `mmfeat list formats`; None: as the content says.
    images
        Folder that names of pictures are relative to; None: found beside the source.
    id_col, text_col, label_col
        Column or field of the ids, the captions and the labels; None: by their names and types.
        Empty: there is none.
    overwrite
        Replace a folder that `convert` wrote.

    Raises
    ------
    ConfigError
        Where `to` is there, and for options that do not fit.
    TableError
        For a source that is damaged or of no format.
    """
    path, to = Path(source), Path(to)
    if not path.exists():
        raise ConfigError("a data set is a file or a folder", f"{path} is not there", "check it")
    _check_place(to, path, overwrite=overwrite)
    name = format or _find_format(path)
    found: Format = resolve(name, FORMATS, "format")
    columns = {"id_col": id_col, "text_col": text_col, "label_col": label_col}
    given = Source(
        path=path,
        images=None if images is None else Path(images),
        columns={role: column for role, column in columns.items() if column is not None},
    )
    with replacing_folder(to) as partial:
        written = write_folder(partial, found.read(given), given)
    return Converted(
        path=to,
        format=name,
        splits={split: len(lines) for split, lines in written.items()},
        labels=tuple(
            sorted({label for lines in written.values() for line in lines for label in line.all})
        ),
        notes=tuple(told(given)),
    )


def _find_format(path: Path) -> str:
    fits = [name for name in FORMATS if resolve(name, FORMATS, "format").is_format_of(path)]
    if len(fits) == 1:
        return fits[0]
    raise TableError(
        f"a data set has one of the formats {', '.join(FORMATS)}",
        f"{path} looks like {' and '.join(fits) if fits else 'none of them'}",
        "say it with --from, or name a file or folder inside",
    )


def _check_place(to: Path, source: Path, *, overwrite: bool) -> None:
    """Raise `ConfigError` unless a new folder can be written, or one of `convert` be replaced."""
    if to.resolve() in (source.resolve(), *source.resolve().parents):
        raise ConfigError("TO is a folder of its own", f"{to} holds {source}", "choose another TO")
    if not to.exists() and not to.is_symlink():
        return
    is_ours = (to / FILE_NAME).is_file() and all(
        one.name in (FILE_NAME, PICTURES) or one.suffix == ".csv" for one in to.iterdir()
    )
    if is_ours and overwrite and not to.is_symlink():
        return
    remedy = "give --overwrite, or another TO" if is_ours else "choose another TO"
    raise ConfigError("`mmfeat convert` writes a new folder", f"{to} is there", remedy)
