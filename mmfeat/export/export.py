"""The verb `export`: what predicts of a run becomes a bundle, or an ONNX file."""

from __future__ import annotations

import logging
import shlex
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmfeat.core.checks import check_arguments
from mmfeat.core.files import files_sha256, replacing_folder, write_json, write_text
from mmfeat.core.plugins import missing_package
from mmfeat.core.workspace import open_project
from mmfeat.errors import ConfigError, RunError
from mmfeat.export.card import write_card
from mmfeat.extract.encoders.load import describe_weights, family_of, find_weights
from mmfeat.predict.encoder import encoder_of, is_encoded, origin_of, weights_of
from mmfeat.runs import bundle as layout
from mmfeat.runs.bundle import Bundle, is_bundle
from mmfeat.runs.decisions import OTHERS, THRESHOLDS
from mmfeat.runs.files import has
from mmfeat.runs.listing import find_run, list_runs
from mmfeat.runs.run import Run
from mmfeat.runs.transport.hub import HubAddress, upload
from mmfeat.runs.transport.manifest import write_manifest
from mmfeat.runs.winner.usual import far_from_usual

if TYPE_CHECKING:
    from mmfeat.export.onnx.write import OnnxFile

log = logging.getLogger(__name__)
COPIED = ("config.json", "provenance.json", "metrics.json", "head")


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """What was written.

    Attributes
    ----------
    path
        The folder of the bundle; without one the ONNX file.
    n_bytes
        Of all its files.
    encoder
        Where the weights of the encoder are: ``in the bundle``, or where they come from; None
        where a bundle takes embeddings, and where there is none.
    onnx
        The ONNX file, and how far it is from Python.
    hub
        Where the bundle is on the Hugging Face hub, with its commit, as `load` takes it.
    """

    path: Path
    n_bytes: int
    encoder: str | None
    onnx: OnnxFile | None = None
    hub: str | None = None


@check_arguments
def export(
    run: Run | str | None = None,
    *,
    to: Path | str | None = None,
    to_onnx: Path | str | None = None,
    to_hub: str | None = None,
    with_encoder: bool = False,
    pretrained: str | None = None,
    overwrite: bool = False,
    workspace: Path | str | None = None,
) -> ExportResult:
    """Write all that predicts of a run into the folder `to`; the same run gives the same bytes.

    Parameters
    ----------
    run
        A run or its name; None: the best of the last comparison, or the newest finished one.
    to
        A folder that is not there yet; it appears when it is complete.
    to_onnx
        A file of ONNX for fusion, heads and calibration; it appears when it was compared with the
        run on its split.
    to_hub
        ``OWNER/NAME`` of a repository on the Hugging Face hub, which is made, and private, where
        it is not there. Without `to`, the bundle lies where `load` looks for it.
    with_encoder, pretrained
        Whether the weights of the encoder are copied, or its towers written as ONNX files beside
        `to_onnx`, and where they are: by default where `mmfeat.toml` says, or the tag that the
        store was made with.
    overwrite
        Whether a bundle at `to` and in the repository, or a file at `to_onnx`, is replaced.

    Raises
    ------
    MmfeatError
        `RunError` for the run, `EncoderError` for weights that are not there, `ConfigError` where
        something else is at `to` or in the repository, `FitError` for a head that has no ONNX
        graph, and `PluginError` without the packages of ``mmfeat[onnx]``.
    """
    settings, space = open_project(workspace)
    if to is None and to_onnx is None and to_hub is None:
        is_run = run is None or isinstance(run, Run) or any(r.name == run for r in list_runs(space))
        place = "FOLDER" if is_run else shlex.quote(str(run))
        raise ConfigError(
            "a run becomes a bundle or an ONNX file",
            "no place is given for either",
            f"give --to {place}, --to-hub REPO or --to-onnx FILE",
        )
    found = find_run(space, run)
    if told := far_from_usual(found, found.decision):
        log.warning(told)
    if with_encoder and not is_encoded(found):
        raise ConfigError(
            "--with-encoder takes the one encoder that a run was fitted with",
            f"{found.name} was fitted {origin_of(found)}",
            "leave it out",
        )
    address = None if to_hub is None else HubAddress.parse_target(to_hub)
    graph = None
    if to_onnx is not None:
        encoder = weights_of(found, pretrained, settings=settings.extract) if with_encoder else None
        graph = _writer()(found, Path(to_onnx), overwrite=overwrite, encoder=encoder)
        if to is None and address is None:
            return ExportResult(path=graph.path, n_bytes=graph.n_bytes, encoder=None, onnx=graph)

    def write(path: Path) -> ExportResult:
        source = None
        if is_encoded(found):
            source = weights_of(found, pretrained, settings=settings.extract)
        written = _write(found, path, source=source, with_encoder=with_encoder, overwrite=overwrite)
        return replace(written, onnx=graph)

    if address is None:
        return write(Path(to or ""))
    with nullcontext(Path(to)) if to is not None else address.staged() as path:
        written = write(path)
        message = f"mmfeat export {found.name}"
        there = upload(path, address, message=message, overwrite=overwrite)
        return replace(written, hub=str(there), path=path if to is not None else there.keep(path))


def _write(
    run: Run, path: Path, *, source: str | None, with_encoder: bool, overwrite: bool
) -> ExportResult:
    """Write the bundle of a run; `source` is where the weights of its encoder are."""
    _check_place(path, overwrite=overwrite)
    with run.locked(), replacing_folder(path) as folder:
        _copy(run, folder)
        weights = _copy_weights(run, source, folder) if with_encoder else None
        about = _about(run, source, copied=weights is not None)
        write_json(folder / layout.ABOUT, about)
        write_text(folder / layout.CARD, write_card(run, about))
        write_manifest(folder)
        Bundle.open(folder)
    n_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    came = (about["encoder"] or {}).get("weights_from")
    return ExportResult(
        path=path, n_bytes=n_bytes, encoder="in the bundle" if weights is not None else came
    )


def _writer() -> Callable[..., OnnxFile]:
    """The function that writes ONNX; raise `PluginError` without the packages that it needs."""
    try:
        from mmfeat.export.onnx.write import write_onnx  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise missing_package("an ONNX file", error, extra="onnx") from error
    return write_onnx


def _check_place(path: Path, *, overwrite: bool) -> None:
    if not path.exists() and not path.is_symlink():
        return
    if path.is_dir() and not path.is_symlink() and is_bundle(path):
        if overwrite:
            return
        found, remedy = f"{path} is a bundle already", "give --overwrite, or another --to"
    else:
        found, remedy = f"{path} is something else", "choose another --to"
    raise ConfigError("a bundle is a new folder", found, remedy)


def _copy(run: Run, folder: Path) -> None:
    """Copy what predicts, after it was checked against the seal of the run."""
    names = [*COPIED, *([THRESHOLDS] if run.has_thresholds else [])]
    names += [
        f"{OTHERS}/{objective}.json"
        for objective in run.decisions.objectives
        if has(run.folder, f"{OTHERS}/{objective}.json")
    ]
    for name in names:
        run.verify(name)
        source, target = run.folder / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)


def _copy_weights(run: Run, source: str | None, folder: Path) -> Path | None:
    """Copy the weights of the encoder; None where they are in no file of their own.

    A model that is a folder is copied with its settings and its tokenizer.
    """
    from mmfeat.extract.encoders.weights.repository import copy_model, weights_in  # noqa: PLC0415 - torch

    fitted = encoder_of(run)
    weights = find_weights(fitted["name"], source or "")
    if weights is None:
        log.info("the weights of %s need no file: they come with mmfeat", fitted["name"])
        return None
    files = [weights] if weights.is_file() else weights_in(weights)
    if odd := [file.name for file in files if file.suffix != ".safetensors"]:
        raise RunError(
            "a bundle holds weights as .safetensors",
            f"those of the encoder are {odd[0]}",
            "leave out --with-encoder, or extract with weights that were converted",
        )
    if files_sha256(files) != fitted["weights_sha256"]:
        raise RunError(
            "the weights of a bundle are those that the run was fitted on",
            f"the sha256 of {weights} is another",
            "name the right file with --pretrained",
        )
    target = folder / layout.WEIGHTS
    target.parent.mkdir()
    if weights.is_dir():
        copy_model(weights, target.parent)
        return target.parent
    shutil.copyfile(weights, target)
    return target


def _about(run: Run, source: str | None, *, copied: bool) -> dict[str, Any]:
    """The content of `bundle.json`."""
    encoder = None
    if source is not None:
        fitted = encoder_of(run)
        encoder = {
            "family": family_of(fitted["name"]),
            "name": fitted["name"],
            "pretrained": fitted.get("pretrained"),
            "weights_sha256": fitted["weights_sha256"],
            "weights_from": describe_weights(fitted["name"], source),
            "weights_in_bundle": copied,
            "preprocessing": fitted.get("preprocessing"),
        }
    return {
        "run": run.name,
        "labels": list(run.labels),
        "labels_per_row": run.labels_per_row,
        "encoder": encoder,
    }
