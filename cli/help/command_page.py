"""The page of help of a command: values by one word each, defaults as sentences."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from mmfeat_cli.help.meant import meant_by_flag, meant_by_words

WORDS = {"bool": "", "int": "NUMBER", "float": "NUMBER", "Path": "PATH"}


class CommandPage(TyperCommand):
    """A command; its help says how values are written, not of which type of Python they are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; an error says where there is an option, and how several values are written."""
        given = list(args)  # which is emptied while it is parsed
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            wrong: Any = error
            if type(wrong).__name__ == "NoSuchOption":  # typer does not export it
                if meant := meant_by_flag(wrong.option_name, given, self.get_params(ctx)):
                    wrong.message, wrong.possibilities = wrong.message + meant, []
            elif type(wrong).__name__ == "UsageError":
                wrong.message += meant_by_words(wrong.message, given, ctx, self.get_params(ctx))
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        for each in self.get_params(ctx):
            _simplify(each)
        super().format_help(ctx, formatter)


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
