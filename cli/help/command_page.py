"""The page of help of a command: values by one word each, defaults as sentences."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from typer.core import TyperCommand

from mmfeat_cli.flags import hint_of, what_is

WORDS = {"bool": "", "int": "NUMBER", "float": "NUMBER", "Path": "PATH"}


class CommandPage(TyperCommand):
    """A command; its help says how values are written, not of which type of Python they are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; an error says where there is an option, and how several values are written."""
        given = list(args)  # which is emptied while it is parsed
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            missing: Any = error
            if type(missing).__name__ == "NoSuchOption":  # typer does not export it
                missing.message += hint_of(missing.option_name)
            elif type(missing).__name__ == "UsageError":
                options = (each for each in self.get_params(ctx) if not _is_switch(each))
                flags = {flag for each in options for flag in each.opts}
                missing.message += _of_pictures(missing.message, given, flags)
                missing.message += _joined(given, flags)
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        for each in self.get_params(ctx):
            _simplify(each)
        super().format_help(ctx, formatter)


def _is_switch(parameter: Any) -> bool:
    return getattr(parameter, "is_flag", False)


def _of_pictures(said: str, args: list[str], flags: set[str]) -> str:
    """The end of an error about a word too many that is a folder or a file; else empty."""
    unexpected = said.partition(" (")[2]
    for word in args:
        flag = {"folder": "--images", "file": "--table"}.get(what_is(word))
        if word in unexpected and flag in flags:
            return f"; it is given with {flag} {word}"
    return ""


def _joined(args: list[str], valued: set[str]) -> str:
    """The end of an error where words after one of the options `valued` are meant as its values."""
    flags = [at for at, word in enumerate(args) if word.startswith("--")]
    for start, end in pairwise([*flags, len(args)]):
        words = args[start + 1 : end]
        if args[start] in valued and len(words) > 1 and not any("=" in word for word in words):
            return f"; several values are one word: {args[start]} {','.join(words)}"
    return ""


def _simplify(parameter: Any) -> None:
    """Change what help shows of a parameter; nothing is parsed after it was shown."""
    is_option = parameter.opts[0].startswith("-")
    if is_option:
        word = parameter.metavar or _word(parameter.type_descriptor.annotation)
    else:  # the word is its name
        word = ""
        parameter.metavar = parameter.metavar or parameter.name.upper()
    parameter.display_type_rich = lambda ctx: word
    parameter.min = parameter.max = None  # else as `[1<=x<=1000000000]`
    default, parameter.show_default = parameter.show_default, False
    if default is True and parameter.default is not None and word:
        default = str(parameter.default)
    if isinstance(default, str):
        parameter.help = f"{parameter.help} Default: {default}"


def _word(kind: Any) -> str:
    return WORDS.get(getattr(kind, "__name__", ""), "TEXT")
