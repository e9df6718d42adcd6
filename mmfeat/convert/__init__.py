"""Data sets as others keep them become a table and pictures.

A format is one file with a `Format`, and one line here.
"""

from __future__ import annotations

from mmfeat.core.plugins import Plugin

FORMATS: dict[str, Plugin] = {
    "coco": Plugin(
        "mmfeat.convert.coco:COCO", "annotation JSON of COCO: instances, captions, or both"
    ),
    "label-studio": Plugin(
        "mmfeat.convert.label_studio:LABEL_STUDIO", "JSON or JSON-MIN export of Label Studio"
    ),
    "datasets": Plugin(
        "mmfeat.convert.hf_datasets:DATASETS",
        "folder of Hugging Face datasets: parquet, or what save_to_disk wrote",
    ),
    "webdataset": Plugin(
        "mmfeat.convert.webdataset:WEBDATASET", "tar files of webdataset or img2dataset"
    ),
}
