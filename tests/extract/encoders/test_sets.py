"""Several encoders at a time make several feature sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmfeat import extract
from mmfeat.config import ExtractSettings
from mmfeat.errors import ConfigError, MmfeatError
from mmfeat.extract.encoders.sets import set_name, settings_by_set
from mmfeat.store import FeatureStore
from tests.support.stage_one.toy import make_table


def test_each_model_makes_the_store_that_it_makes_alone(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    known: dict[str, Any] = {
        "images": tmp_path / "images",
        "split": "train",
        "workspace": tmp_path / "work",
    }
    several = tmp_path / "models.txt"
    several.write_text("# two of them\ntiny-demo\n\ntiny-demo random  # other weights\n")
    found = extract(table.source, models=[str(several)], device="cpu", **known)
    assert list(found) == ["tiny-demo/train", "tiny-demo-random/train"]
    alone = {"tiny-demo": "auto", "tiny-demo-random": "random"}
    for (name, weights), summary in zip(alone.items(), found.values(), strict=True):
        assert summary.path == tmp_path / "work" / "features" / name / "train.h5"
        again = extract(
            table.source,
            model="tiny-demo",
            pretrained=weights,
            out=tmp_path / f"{name}.h5",
            device="cpu",
            **{**known, "split": "alone"},
        )["alone"]
        assert again.path.read_bytes() == summary.path.read_bytes()
        with FeatureStore.open(summary.path) as store:
            assert store.modalities == ("image", "text")


def test_names_of_sets_are_plain() -> None:
    assert set_name("hf:/models/a clip", "some/where/best.safetensors") == "hf-a-clip-best"
    assert set_name("open_clip:ViT-B-32") == "open_clip-ViT-B-32"
    assert set_name("…") == "model"


@pytest.mark.parametrize(
    ("models", "finding"),
    [
        (("tiny-demo", "tiny-demo"), "second that would be named tiny-demo"),
        (("tiny-demo random tag",), "3 words"),
        (("'tiny-demo",), "No closing quotation"),
        (("no-such:model",), "no-such"),
    ],
)
def test_entries_that_cannot_be_read(models: tuple[str, ...], finding: str) -> None:
    with pytest.raises(MmfeatError, match=finding):
        settings_by_set(ExtractSettings(models=models))


def test_an_empty_file_and_other_names(tmp_path: Path) -> None:
    empty = tmp_path / "models.txt"
    empty.write_text("# none\n")
    with pytest.raises(ConfigError, match="has none"):
        settings_by_set(ExtractSettings(models=(str(empty),)))
    table = make_table(tmp_path).source
    asked: dict[str, Any]
    for asked in ({"features": "one"}, {"out": tmp_path / "a.h5"}, {"model": "tiny-demo"}):
        with pytest.raises(ConfigError, match="--models"):
            extract(table, models=["tiny-demo"], images=tmp_path / "images", **asked)
