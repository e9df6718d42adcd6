"""What a wrong flag or a word too many was meant to be, as the end of the error about it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mmfeat_cli.flags import hint_of, what_is

# What a newcomer may write, by our flag, or by the name of an argument.
OTHER_FLAGS = {
    "run": ("--model", "--run", "--bundle", "--checkpoint"),
    "--overwrite": ("--force", "-f"),
    "--out": ("--output", "-o"),
    "--to": ("--output", "--out", "-o"),
    "--table": ("--input", "--csv", "--data", "--file"),
    "--images": ("--folder", "--dir", "--pictures", "--input"),
    "--model": ("--encoder", "--backbone"),
    "--heads": ("--head", "--models", "--classifiers"),
    "--fusions": ("--fusion",),
    "--losses": ("--loss",),
    "--objective": ("--metric", "--optimize"),
    "--jobs": ("--workers", "--threads", "-j"),
    "--top": ("--top-k", "-k"),
}
PLACES = {"--images": "folder", "--table": "file"}  # what is there, by the flag it is given with


def meant_by_flag(flag: str, parameters: Sequence[Any]) -> str:
    """The flag or the argument of a command that another word for it means; else where it is."""
    for each in parameters:
        for name in (each.name, *each.opts):
            if flag in OTHER_FLAGS.get(name, ()):
                if each.param_type_name == "argument":
                    return f"; it is given without a flag, as {each.metavar or each.name.upper()}"
                return f"; did you mean {name}?"
    hint: str = hint_of(flag)
    return hint


def meant_by_words(said: str, args: Sequence[str], context: Any, parameters: Sequence[Any]) -> str:
    """The flag that words too many are values of: pictures, a table, or names that there are.

    `said` is the error, which ends with these words in brackets.
    """
    valued = [each for each in parameters if not getattr(each, "is_flag", False) and each.opts]
    if joined := _joined(args, {flag for option in valued for flag in option.opts}):
        return joined
    unexpected = said.partition(" (")[2].rstrip(")").split()
    for option in valued:
        flag = option.opts[0]
        words = [word for word in unexpected if _is_value(word, flag, option, context)]
        if words and flag.startswith("--"):
            told = "it is" if len(words) == 1 else "they are"
            return f"; {told} given with {flag} {','.join(words)}"
    return ""


def _is_value(word: str, flag: str, option: Any, context: Any) -> bool:
    if flag in PLACES:
        return bool(what_is(word) == PLACES[flag])
    return any(item.value == word for item in option.shell_complete(context, word))


def _joined(args: Sequence[str], valued: set[str]) -> str:
    """Where words after one of the options `valued` are meant as its values."""
    flags = [at for at, word in enumerate(args) if word.startswith("--")]
    for start, end in pairwise([*flags, len(args)]):
        words = args[start + 1 : end]
        if args[start] in valued and len(words) > 1 and not any("=" in word for word in words):
            return f"; several values are one word: {args[start]} {','.join(words)}"
    return ""
