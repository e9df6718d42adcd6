"""The model card of a bundle: Markdown with the head that the Hugging Face hub reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from mmfeat.config import MODALITIES
from mmfeat.decide.decision import Decision
from mmfeat.decide.same_labels import same_labels_of
from mmfeat.errors import counted
from mmfeat.export.licences import licence_of
from mmfeat.extract.encoders.base import CAPTION, PICTURE, takes
from mmfeat.extract.encoders.load import DEMO
from mmfeat.fit.fusion import FUSIONS
from mmfeat.runs.commands import commands_of
from mmfeat.runs.run import Run

SHOWN = {"macro_f1": "macro-F1", "micro_f1": "micro-F1", "samples_f1": "samples-F1", "map": "mAP"}


def write_card(run: Run, about: dict[str, Any]) -> str:
    """Give the card of a run that is exported; `about` is the content of `bundle.json`."""
    decision = run.decision
    seen = " and ".join(_of_looked_at(run, {PICTURE: "images", CAPTION: "captions"}))
    parts = [
        _head(run, decision),
        f"# {_plain(run.name)}",
        f"A multilabel classifier of {seen}, on embeddings of a frozen model. It gives"
        f" a probability for each of {counted(len(run.labels), 'label')} and decides which apply.",
        "## How to use\n\nWith mmfeat installed:\n\n" + _use(run, about),
        "## What it is\n\n" + _bullets(_parts(run, about, decision)),
        "## How good it is\n\n" + _numbers(run, decision),
        "## By class\n\n" + _classes(run, decision),
        "## Limits\n\n" + _bullets(_limits(decision, about["encoder"])),
        "## Licences\n\n" + _bullets(_licences(about["encoder"])),
        f"Fitted by mmfeat {run.provenance.get('versions', {}).get('mmfeat', '')} with\n\n"
        + _block("sh", *commands_of(run)),
    ]
    return "\n\n".join(parts) + "\n"


def _head(run: Run, decision: Decision) -> str:
    """The YAML head; JSON strings and numbers are YAML."""
    honest = decision.oof.get("nested") or run.metrics["oof"]["at_0.5"]
    results = [
        f"      - type: f1\n        name: {json.dumps(SHOWN[key])}\n        value: {value:.4f}"
        for key, value in honest.items()
        if key in SHOWN and key != "map" and value is not None
    ]
    return "\n".join(
        [
            "---",
            "library_name: mmfeat",
            "license: other",
            "license_name: unknown",
            "tags:",
            "  - multi-label-classification",
            "  - clip",
            "model-index:",
            f"  - name: {json.dumps(run.name)}",
            "    results:",
            "    - task:",
            "        type: multi-label-classification",
            "      dataset:",
            f"        name: {json.dumps(run.config.split)}",
            "        type: own",
            "      metrics:",
            *results,
            "---",
        ]
    )


def _use(run: Run, about: dict[str, Any]) -> str:
    encoder, lines = about["encoder"], ""
    if encoder is None:
        rows = 'embeddings={"image": image_vectors, "text": text_vectors}'
        note = "It takes embeddings of the encoder that its training rows were embedded by."
    else:
        rows = _example(run)
        lines = _block("sh", "mmfeat predict FOLDER --images PICTURES --out labels.csv") + "\n\n"
        where = "in this folder" if encoder["weights_in_bundle"] else encoder["weights_from"]
        note = f"The weights of {_plain(encoder['name'])} come from: {_plain(where)}."
    code = _block(
        "python",
        "import mmfeat\n\nmodel = mmfeat.load(FOLDER)",
        f"model.predict({rows})  # label sets",
        f"model.predict_proba({rows})  # (n, k)",
    )
    return f"{lines}{code}\n\n{note}"


def _example(run: Run) -> str:
    """The arguments of a row with what the run looks at."""
    parts = {PICTURE: 'images=["a.jpg"]', CAPTION: 'captions=["a dog on a sofa"]'}
    return ", ".join(_of_looked_at(run, parts))


def _of_looked_at(run: Run, texts: dict[str, str]) -> list[str]:
    """Those of the texts, by part of a row, whose part the run looks at."""
    fusion = FUSIONS.get(run.config.fusion)
    held = run.provenance["stores"][0].get("modalities", MODALITIES)
    looked_at = getattr(fusion, "modalities", None) or held
    return [text for part, text in texts.items() if takes(part, looked_at)]


def _parts(run: Run, about: dict[str, Any], decision: Decision) -> list[str]:
    origin, config = run.provenance, run.config
    names = [_plain(store["encoder"]["name"]) for store in origin["stores"]]
    rows = origin["stores"][0].get("n_rows")
    lines = [
        f"encoder: {', '.join(names)}, frozen",
        f"fusion: {config.fusion}; head: {config.head}",
        f"decision: {decision.describe()}",
        f"fitted on the split {_plain(config.split)}"
        + (f", {counted(rows, 'row')}" if isinstance(rows, int) else ""),
    ]
    if about["encoder"] is not None:
        lines.append(f"sha256 of the encoder's weights: `{about['encoder']['weights_sha256']}`")
    return lines


def _numbers(run: Run, decision: Decision) -> str:
    estimates = decision.oof or {"at_0.5": run.metrics["oof"]["at_0.5"]}
    rows = [
        [name, *(_number(values.get(key)) for key in SHOWN)] for name, values in estimates.items()
    ]
    told = [
        f"`{name}`: {low:.4f} to {high:.4f}" for name, (low, high) in decision.intervals.items()
    ]
    intervals = f"\n\n95 % intervals of {decision.objective}: {'; '.join(told)}." if told else ""
    same = same_labels_of(decision, run.oof)
    others = "" if same is None else same.describe(decision.objective, judged="it is not")
    return (
        _table(["labels decided by", *SHOWN.values()], rows)
        + intervals
        + (f"\n\n{others[0].upper()}{others[1:]}." if others else "")
        + f"\n\nAll numbers are of rows that the heads had not seen ({run.judged_by}). `at_0.5`"
        " cuts every probability at 0.5; `tuned` chose thresholds on the very rows it is judged"
        " on, and is optimistic; `nested` chose them on other folds: it is the one to believe."
    )


def _classes(run: Run, decision: Decision) -> str:
    found = decision.per_class or run.metrics["oof"].get("per_class", ())
    keys = [k for k in ("support", "threshold", "f1", "f1_at_0.5", "f1_nested", "ap") if found]
    keys = [key for key in keys if key in found[0]]
    rows = [[_plain(row["label"]), *(_number(row.get(key)) for key in keys)] for row in found]
    return _table(["label", *keys], rows)


def _limits(decision: Decision, encoder: dict[str, Any] | None) -> list[str]:
    is_toy = encoder is not None and encoder["name"] == DEMO
    return [
        *([f"{DEMO} is a toy that was trained on made-up scenes."] if is_toy else []),
        "It knows the labels above and no other; a picture of something else still gets"
        " probabilities.",
        "The estimates hold for rows like those it was fitted on, and not for other sources.",
        "What the encoder has learned from the web, with its biases, is in its embeddings.",
        *(_plain(note) for note in decision.notes),
    ]


def _licences(encoder: dict[str, Any] | None) -> list[str]:
    known = None if encoder is None else licence_of(encoder["weights_from"])
    return [
        f"weights of the encoder: {known or 'not known to mmfeat'}",
        "data that it was fitted on: not known to mmfeat",
        "this bundle: the line `license` above is a placeholder; look the others up before you"
        " pass it on, and fill it in",
    ]


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else _plain(str(value))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _block(language: str, *lines: str) -> str:
    """Lines of code; no backticks in them end the block."""
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _plain(text: str) -> str:
    """A text of the data as Markdown shows it: one line, no markup, no column of a table."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    escaped = "".join(f"\\{c}" if c in "\\`*_[]|#!" else c for c in line)
    return f"\\{escaped}" if escaped.startswith(">") else escaped  # else a quotation
