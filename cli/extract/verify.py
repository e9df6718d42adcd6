"""`mmfeat verify`: is a feature store whole, and does it hold what its encoder gives?"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmfeat.config import DataSettings, ExtractSettings
from mmfeat.errors import counted
from mmfeat_cli.messages import fail, show_messages
from mmfeat_cli.options import FeatureSet, JsonOption, StoreArgument, WorkspaceOption, of
from mmfeat_cli.tables import print_json, print_lines, print_text

if TYPE_CHECKING:
    from mmfeat.extract.engines.reencode import Reencoded

again = partial(of, rich_help_panel="Encoding again")


def verify(
    store: StoreArgument,
    features: FeatureSet = None,
    reencode: Annotated[
        int | None,
        typer.Option(
            "--reencode",
            min=1,
            help="Number of random rows to encode again, in other batches and another order, and"
            " to compare with what is stored.",
            rich_help_panel="Encoding again",
        ),
    ] = None,
    images: Annotated[str | None, again(DataSettings, "images")] = None,
    pretrained: Annotated[
        str | None,
        again(ExtractSettings, "pretrained", "Weights, if not where they were for the store"),
    ] = None,
    device: Annotated[str | None, again(ExtractSettings, "device")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a feature store is intact; exit with status 1 if it is not."""
    from mmfeat.core.workspace import open_project
    from mmfeat.runs.open import path_of_store
    from mmfeat.store.verify import verify_store

    show_messages(quiet=False)
    path = path_of_store(store, features=features, workspace=workspace)
    findings = verify_store(path)
    found: dict[str, Reencoded] = {}
    if reencode is not None and not findings:
        from mmfeat.extract.engines.reencode import reencode as encode_again

        settings = open_project()[0]
        found = encode_again(
            path,
            n_rows=reencode,
            images=images or settings.data.images,
            pretrained=pretrained,
            device=device or settings.extract.device,
        )
    if as_json:
        told: dict[str, Any] = {"store": str(path), "whole": not findings, "findings": findings}
        if found:
            told["reencoded"] = {name: asdict(each) for name, each in found.items()}
        print_json(told)
    else:
        for finding in findings:
            print_lines(finding)
        print(f"{path}: {'NOT whole' if findings else 'whole'}")
        for name, each in found.items():
            print_text(_told(name, each))
    if findings:
        fail(
            f"a feature store must match its own checksums and shapes; {path} has"
            f" {counted(len(findings), 'fault')}: {findings[0]}{' …' * (len(findings) > 1)};"
            " make it again with `mmfeat extract` or `mmfeat import`"
        )
    if differing := [name for name, each in found.items() if not each.is_same]:
        fail(
            f"rows that are encoded again must give what is stored; the {differing[0]} embeddings"
            f" of {path} differ; check --images and --pretrained, or make it again with"
            " `mmfeat extract`"
        )


def _told(modality: str, found: Reencoded) -> str:
    """What encoding again gave, in a sentence."""
    sentence = f"{modality}: {counted(found.n_compared, 'row')} encoded again"
    if found.n_compared:
        sentence += (
            f", worst cosine {found.worst_cosine:.6f},"
            f" largest difference {found.largest_difference:.2g}"
        )
    if found.differing:
        listed = ", ".join(found.differing[:3])
        sentence += f"; only stored or only now: {counted(len(found.differing), 'row')}, {listed}"
    return sentence
