"""`mmfeat inspect`: what is inside a feature store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmfeat.errors import counted
from mmfeat_cli.messages import show_messages
from mmfeat_cli.options import FeatureSet, JsonOption, StoreArgument, WorkspaceOption
from mmfeat_cli.tables import print_json, print_table, print_text


def inspect(
    store: StoreArgument,
    features: FeatureSet = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the rows, widths, statuses, problems and provenance of a feature store."""
    from mmfeat.runs.open import path_of_store
    from mmfeat.store.inspect import inspect_store

    show_messages(quiet=False)
    document = inspect_store(path_of_store(store, features=features, workspace=workspace))
    if as_json:
        print_json(document)
        return
    files = f" in {document['files']} files" if document["files"] > 1 else ""
    labels = counted(document["labels"], "label")
    print(f"{document['path']}: {counted(document['rows'], 'row')}{files}, {labels}")
    known = document["known_labels"]
    if known and min(known.values()) < 1:
        least = min(known, key=known.__getitem__)
        unknown = [100 * (1 - share) for share in (sum(known.values()) / len(known), known[least])]
        print_text(
            f"{unknown[0]:.1f} % of the labels are unknown, most often {least} ({unknown[1]:.1f} %)"
        )
    print_table(
        ("modality", "width", "status", "rows"),
        [
            (modality, document["widths"][modality], status, count)
            for modality, counts in document["status"].items()
            for status, count in counts.items()
        ],
    )
    if document["truncated"]:
        told = counted(document["truncated"], "caption was", "captions were")
        print_text(f"{told} truncated to the context length of the encoder")
    if document["windows"][0]:
        told = counted(document["windows"][0], "row is", "rows are")
        print_text(f"{told} longer than the context: encoded in {document['windows'][1]} windows")
    if document["prompts"]:
        print(counted(document["prompts"], "label prompt"))
    for problem in document["problems"]:
        print_text(
            f"row {problem['row']} ({problem['id']}): {problem['modality']}: {problem['reason']}"
        )
    for part in document["failed_parts"]:
        print_text(
            f"row {part['row']} ({part['id']}): {part['modality']} {part['part']}: {part['reason']}"
        )
    if document["n_failed_parts"] > len(document["failed_parts"]):
        print(f"and {document['n_failed_parts'] - len(document['failed_parts'])} more parts")
    if document["n_problems"] > len(document["problems"]):
        print(f"and {document['n_problems'] - len(document['problems'])} more")
    spreads = {f"norm of {m}": spread for m, spread in document["norms"].items()}
    pair = " and ".join(document["cosine_of"] or ())
    spreads[f"cosine of {pair} of one row"] = document["cosine"]
    spreads[f"cosine of {pair} of different rows"] = document["cosine_shuffled"]
    print_table(
        ("", "min", "median", "max"),
        [(name, *spread.values()) for name, spread in spreads.items() if spread],
    )
    if document["rows_looked_at"] < document["rows"]:
        print_text(
            f"norms and cosines are measured on {document['rows_looked_at']} evenly spaced rows"
        )
    for name, value in _flat(document["provenance"]):
        print(f"{name}: {value}")
    print(f"digest: {document['digest']}")


def _flat(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
