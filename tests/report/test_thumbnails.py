"""Thumbnails of pictures that lie at an address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mmfeat.report.thumbnails import Thumbnails
from tests.support.stage_one.toy import make_picture

if TYPE_CHECKING:
    from tests.support.s3 import S3


def test_the_report_shows_pictures_of_an_address(
    tmp_path: Path, s3: S3, caplog: pytest.LogCaptureFixture
) -> None:
    make_picture(tmp_path / "images" / "a.jpg", seed=0)
    thumbnails = Thumbnails(s3.upload(tmp_path / "images"), limit=9)
    assert thumbnails.take("a.jpg")[0].startswith("data:image/jpeg;base64,")
    assert thumbnails.take("../a.jpg")[0] == ""
    s3.stop()
    assert thumbnails.take("a.jpg") == ("", "the images cannot be read")
    assert thumbnails.take("a.jpg")[0] == ""
    assert caplog.text.count("must be reachable") == 1
