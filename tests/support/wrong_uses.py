"""Wrong uses of commands, drawn with a seed: a sound use in which a few values are odd."""

from __future__ import annotations

import itertools
import math
import os
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat_cli.main import app
from mmfeat_cli.parameters import Parameter, parameters_of

PARAMETERS = {
    command.name: parameters_of(command.callback)
    for command in app.registered_commands
    if command.name is not None and command.callback is not None
}

# A sound and quick use of every command in the project of `prepare`: arguments, then options.
SOUND: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "demo": (("file",), {"--train": "6", "--test": "3"}),
    "demo-data": (("drawn",), {"--train": "3", "--test": "2"}),
    "init": (("fresh", "--force"), {}),
    "convert": (("coco.json", "converted"), {}),
    "check": (("train.csv",), {}),
    "extract": (("few.csv",), {"--workers": "0", "--split": "few"}),
    "import": (("few.csv",), {"--text": "few.npy", "--split": "imported"}),
    "inspect": (("artifacts/features/train.h5",), {}),
    "verify": (("artifacts/features/train.h5",), {}),
    "duplicates": ((), {}),
    "fit": ((), {"--head": "knn", "--fusion": "image", "--folds": "2"}),
    "sensitivity": ((), {}),
    "learning-curve": (("one",), {"--points": "4"}),
    "tune-thresholds": (("one",), {}),
    "predict": (("one",), {"--split": "test", "--out": "out.csv"}),
    "submit": (("one",), {"--out": "out.csv"}),
    "score": (("solution.csv", "solution.csv"), {}),
    "compare": ((), {"--heads": "knn", "--fusions": "image", "--folds": "2"}),
    "search": ((), {"--head": "knn", "--fusion": "image", "--folds": "2", "--trials": "1"}),
    "runs": (("one",), {}),
    "clean": ((), {}),
    "report": (("one",), {"--plots": "0", "--max-thumbnails": "0"}),
    "export": (("one",), {"--to": "given"}),
    "promote": (("one", "one"), {}),
    "serve": (("one", "--check"), {"--port": "0"}),
    "list": (("heads", "knn"), {}),
    "config": ((), {}),
}
NAMES = (
    "",
    " ",
    "nothing",
    "all",
    "one",
    "train",
    "../one",
    "a/b",
    ".",
    "..",
    ".hidden",
    "a,b",
    ",",
    ",,,",
    "a\nb",
    "a\x1b]52;c;YQ==\x07",
    "a\0b",
    "\udcff",
    "né\u202e",
    "x" * 5000,
    "x" * 200,
    "%s{0}",
    "-",
    "--",
    "=",
    "*",
    "nan",
    "0",
    "s3://",
    "http://[",
    "CON",
)
NUMBERS = (
    *("-1", "0", "1", "-0", "2", "3.5", "1e400", "nan", "inf", "-inf", "1e-320", "007", "0x10"),
    *("9" * 20, "9" * 17, "-" + "9" * 30, "2147483648", "4294967296", "1000000", "9" * 5000),
    *("", " ", "one", "1_000", "1,5", "½", "\udcff", "\0", "True"),
)
PATHS = (
    *("missing.csv", "folder", "pipe", "zero", "full", "null", "empty", "binary"),
    *("", ".", "train.csv", "few.npy", "artifacts/features/train.h5", "mmfeat.toml", "line"),
    *("file/below", "x" * 300 + ".csv", "x" * 5000, "a\0b", "\udcff.csv", "a\nb.csv", "loop"),
    *("data/0.jpg", "artifacts", "artifacts/runs/one", "missing.parquet", "empty.parquet"),
    *("binary.npz", "empty.npy", "object.npy", "nan.npy", "scalar.npy", "binary.h5", "wide.csv"),
    *("other.csv", "binary.jsonl", "s3://", "~nobody/x", "/proc/nowhere/x.csv"),
)
# Per option, besides the odd values of its kind: names that belong elsewhere, and extremes.
SPECIAL: dict[str, tuple[str, ...]] = {
    "--head": ("late-stack", "ensemble", "zeroshot", "stack", "KNN", "logreg,knn"),
    "--heads": ("ensemble", "knn,knn", "zeroshot", "knn,nohead"),
    "--fusion": ("late-stack", "joint", "concat", "image,text", "nofusion", "learned"),
    "--fusions": ("image,image", "joint", "nofusion,image"),
    "--loss": ("macro-f1", "asl", "mse", "BCE"),
    "--losses": ("bce,bce", "noloss"),
    "--objective": ("accuracy", "f-beta", "precision-at-least", "map", "micro_f1"),
    "--method": ("exact", "nomethod", "micro", "bootstrap"),
    "--decode": ("argmax", "expected-f1", "exact", "fast"),
    "--empty": ("top0", "keep", "none"),
    "--device": ("meta", "cuda", "cuda:99", "tpu", "cpu:1", "mps", "xla"),
    "--precision": ("fp8", "int4", "bf16", "fp16"),
    "--dtype": ("int8", "float64", "float32"),
    "--model": ("nomodel", "ViT-L-14-nothing", "hf-hub:", "hf-hub:a/b/c", "tiny-demo"),
    "--pretrained": ("notag", "binary", "empty", "folder", "random", "pipe"),
    "--modalities": ("sound", "image,sound", "image,image", "joint", "text", "image"),
    "--budget": ("-1s", "1e400h", "0s", "10", "1d", "nanm", "infs", "1s 1m"),
    "--max-memory": ("0", "-1GiB", "1", "nanGiB", "1e400GiB", "2 PiB", "1KiB", "infMiB"),
    "--track": ("notracker", "mlflow:", "tensorboard:x", "mlflow://a:b@c"),
    "--features": ("nothing", "a,b", "train", "../x"),
    "--format": ("csv", "cells", "multihot", "xml"),
    "--modality": ("audio", "=few.npy", "text=few.npy", "labels=few.npy", "a/b=few.npy", "a=pipe"),
    "--label-cols": ("ImageID", "Labels,Labels", "no,such", "Caption", "a" * 3000),
    "--id-col": ("", "Caption", "Labels", "imageid", "no"),
    "--image-col": ("Caption", "Labels", "no"),
    "--text-col": ("", "ImageID", "no"),
    "--label-col": ("", "ImageID", "Caption", "no"),
    "--label-sep": ("", "0", "a", "\n", "\t", '"', "|", "ab", "\udcff", "\0"),
    "--labels": ("", "1,1", "nothing", "1,2," + "x," * 500),
    "--images": ("s3://", "data", "file", "folder", "http://[", "memory://x", "ftp://a:b@c/d"),
    "--shards": ("s3://", "data", "memory://x", "http://[", "file://folder"),
    "--engine": ("torchrun", "claims", "local", "Ray", "local,torchrun", "slurm"),  # ray: minutes
    "--ray-address": (
        "auto",
        "local",
        "ray://",
        "127.0.0.1:1",
        "ray://a:b@127.0.0.1:1",
        "http://[",
    ),
    "--kaggle": ("titanic", "../titanic", "-h", "a b", "https://127.0.0.1:1/c/titanic"),
    "--set": (
        *("k", "=", "=1", "k=", "k=0", "k=-1", "k=nan", "k=1e400", "k=" + "9" * 30, "k=one"),
        *("C=0", "C=-1", "C=inf", "C=nan", "C=1e400", "hidden=0", "hidden=-5", "hidden=1-2-x"),
        *("hidden=99999999999", "epochs=-1", "lr=nan", "dropout=2", "threads=-3", "nokey=1"),
        *("normalise=maybe", "final=no", "image.k=0", "no.k=1", "k=1.5", "threads=1e9", "a.b.c=1"),
        *("\0=1", "\udcff=1", "x" * 5000 + "=1", "k=" + "9" * 5000, "runs=one,one", "runs=one"),
        *("batch=0", "seed=1", "loss=bce", "in_sample=2", "device=meta", "k=\udcff", "weights=no"),
    ),
}
HEADS = ("logreg", "knn", "mlp", "gmlp", "lightgbm", "zeroshot", "prototype", "ensemble", "nohead")
ARRAY_FILES = ("few.npy", "binary.npz", "empty.npy", "object.npy", "nan.npy", "scalar.npy", "pipe")


def prepare(folder: Path) -> None:
    """Add what odd values name to a small demo project: pipes, folders, files of other kinds."""
    rng = np.random.default_rng(0)
    lines = (folder / "train.csv").read_text().splitlines()
    (folder / "fresh").mkdir()
    for name in ("few.csv", "fresh/few.csv"):
        (folder / name).write_text("\n".join(lines[:7]) + "\n")
    np.save(folder / "few.npy", rng.normal(size=(6, 4)).astype("f4"))
    np.save(folder / "nan.npy", np.full((6, 4), np.nan, "f4"))
    np.save(folder / "scalar.npy", np.float32(1))
    np.save(folder / "object.npy", np.array([{}, None], object), allow_pickle=True)
    for name in ("binary", "binary.npz", "binary.h5", "binary.jsonl"):
        (folder / name).write_bytes(rng.bytes(5000))
    for name in ("empty", "empty.npy", "empty.parquet", "file"):
        (folder / name).write_bytes(b"")
    (folder / "line").write_text("ImageID")
    (folder / "coco.json").write_text(
        '{"images": [{"id": 1, "file_name": "data/0.jpg"}],'
        ' "categories": [{"id": 3, "name": "cat"}],'
        ' "annotations": [{"id": 1, "image_id": 1, "category_id": 3}]}'
    )
    (folder / "wide.csv").write_text(",".join(f"c{i}" for i in range(3000)) + "\n")
    (folder / "other.csv").write_text("ImageID,Labels\n1,x\n2,y z\n,\n")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    for name in ("zero", "full", "null"):  # links: a test never writes below /dev
        (folder / name).symlink_to(f"/dev/{name}")


def wrong_use(command: str, rng: random.Random) -> list[str]:
    """The arguments of one wrong use of a command."""
    arguments, options = SOUND[command]
    values, given, bare = list(arguments), dict(options), list[str]()
    changes: list[Callable[[], None]] = [
        lambda: bare.append(rng.choice(("--nothing", "--", "-x", "extra", "\udcff", "-w")))
    ]
    positions = itertools.count()
    for parameter in PARAMETERS[command]:
        change: Callable[[], None]
        if parameter.flags:
            change = partial(_make_odd, parameter, rng, given, bare)
        else:
            change = partial(_make_odd_argument, parameter, rng, values, next(positions))
        changes.append(change)
    for make_odd in rng.sample(changes, min(len(changes), rng.choice((1, 1, 1, 2, 2, 3)))):
        make_odd()
    if "--head" in given and rng.random() < 0.3:
        given["--head"] = rng.choice(HEADS)
    line = [*values, *(part for pair in given.items() for part in pair), *bare]
    return line if rng.random() > 0.03 else line[:-1]


def _make_odd(
    parameter: Parameter, rng: random.Random, given: dict[str, str], bare: list[str]
) -> None:
    if parameter.kind is bool:
        bare.append(parameter.flags[0])
    else:
        given[parameter.flags[-1]] = odd_value(parameter, rng)


def _make_odd_argument(
    parameter: Parameter, rng: random.Random, values: list[str], at: int
) -> None:
    values[at:] = [odd_value(parameter, rng), *values[at + 1 :]]


def odd_value(parameter: Parameter, rng: random.Random) -> str:
    """An odd value of an option or argument, most often one that is odd in its kind."""
    special = SPECIAL.get(parameter.flags[-1], ()) if parameter.flags else ()
    if parameter.name in ("image", "text", "prompts"):
        special = ARRAY_FILES
    pools: list[Sequence[str]] = [special] * 3 if special else []
    if parameter.kind in (int, float):
        pools += [NUMBERS] * 4
    elif parameter.kind is Path:
        pools += [PATHS] * 4
    elif parameter.name in ("run", "runs", "name", "names", "remove"):
        pools += [PATHS]
    return rng.choice(rng.choice([*pools, NAMES]))


# The command that reads the keys of a section.
READERS = {
    "": "runs",
    "data": "check",
    "extract": "extract",
    "fit": "fit",
    "thresholds": "tune-thresholds",
    "compare": "compare",
    "submit": "submit",
}
ODD_SETTINGS: tuple[Any, ...] = (
    *(-1, -7, 0, 1, 10**17, 10**30, -1.5, 0.0, 1e300, math.nan, math.inf, True, False, [], [""]),
    *(["nothing"], ["a", 1], {}, {"a": 1}, "", " ", "nothing", "x" * 5000, "a\nb\x1b", "../x"),
)


def wrong_settings(section: str, key: str, rng: random.Random) -> tuple[Any, list[str]]:
    """An odd value of a key of `mmfeat.toml`, and a use of a command that reads it."""
    command = READERS[section]
    arguments, options = SOUND[command]
    flag = f"--{key.replace('_', '-')}"
    given = [part for pair in options.items() if pair[0] != flag for part in pair]
    return rng.choice(ODD_SETTINGS), [command, *arguments, *given]
