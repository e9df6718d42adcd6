from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmfeat.errors import SubmissionError
from mmfeat.predict import to_kaggle
from tests.support.files import fake_client


def test_upload_through_a_fake_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_client(tmp_path, f'echo "$@" > {tmp_path}/asked; echo Successfully submitted')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    out = tmp_path / "out.csv"
    assert to_kaggle(out, "scenes", "first try") == "Successfully submitted"
    asked = (tmp_path / "asked").read_text().strip()
    assert asked == f"competitions submit -c scenes -f {out} -m first try"


def test_a_refusal_or_a_missing_client_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_client(tmp_path, "echo 403 - Forbidden >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    with pytest.raises(SubmissionError, match="403 - Forbidden"):
        to_kaggle(tmp_path / "out.csv", "scenes", "x")
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(SubmissionError, match="pip install kaggle"):
        to_kaggle(tmp_path / "out.csv", "scenes", "x")
