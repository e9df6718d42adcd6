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
    "--top 0": ("--no-scores", "--labels-only"),
    "--label-sep": ("--separator", "--sep", "--delimiter"),
}
# What needs no flag.
NEEDLESS = {
    "--html": "the report is a page of HTML without it",
    "--verbose": "progress is told without it",
    "-v": "progress is told without it",
    "--gpu": "a GPU is used where there is one",
    "--cuda": "a GPU is used where there is one",
}
PLACES = {"--images": "folder", "--table": "file"}  # what is there, by the flag it is given with


def meant_by_flag(flag: str, args: Sequence[str], parameters: Sequence[Any]) -> str:
    """The flag or the argument of a command that another word for it means; else where it is.

    `args` are all words of the command: a folder after the flag says more than its name.
    """
    if flag in NEEDLESS:
        return f"; leave it out: {NEEDLESS[flag]}"
    there = {name: each for each in parameters for name in (each.name, *each.opts)}
    ours = [name for name, others in OTHER_FLAGS.items() if flag in others]
    known = [name for name in ours if name.partition(" ")[0] in there]
    if not known:
        return next(filter(None, map(hint_of, (flag, *ours))), "")
    value = dict(pairwise(args)).get(flag, "")
    name = max(known, key=lambda name: PLACES.get(name) == what_is(value))
    if name.startswith("-"):
        return f"; did you mean {name}?"
    return f"; it is given without a flag, as {there[name].metavar or name.upper()}"


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
