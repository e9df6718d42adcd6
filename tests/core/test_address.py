"""Addresses: what is one, what is refused, and reading, writing and listing through fsspec."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from mmfeat.core.address import Address
from mmfeat.errors import ConfigError, ExtractError, PluginError
from mmfeat.extract.images.sources import open_images

if TYPE_CHECKING:
    from tests.support.s3 import S3


@pytest.mark.parametrize(
    "url", ["nope://a", "s3://", "dir://a", "simplecache::s3://a/b", "zip://a::s3://b/c"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=f"fsspec; {re.escape(url)}: "):
        Address(url).open()


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(PluginError, match=r"pip install 'mmfeat\[s3\]'"):
        Address("s3://a/b").open()


def test_a_password_is_not_told(s3: S3) -> None:
    assert s3
    address = Address("s3://me:secret@bucket/images")
    with pytest.raises(ExtractError) as error:
        address.names()
    assert "bucket" in str(error.value) and "secret" not in f"{address} {error.value}"


def test_another_protocol(tmp_path: Path) -> None:
    files = MemoryFileSystem()
    files.pipe_file("/made-up/a.jpg", b"content")
    assert next(iter(open_images("memory://made-up").read(["a.jpg", "../a.jpg"]))) == b"content"
    (tmp_path / "00000.h5").write_bytes(b"shard")
    address = Address("memory://made-up/shards")
    assert address.names() == set()
    address.put(tmp_path / "00000.h5")
    (tmp_path / "00000.h5").unlink()
    assert address.names() == {"00000.h5"} and address.get(tmp_path / "00000.h5")
    assert (tmp_path / "00000.h5").read_bytes() == b"shard"
    address.remove(["00000.h5", "00001.h5"])
    assert address.names() == set() and not address.get(tmp_path / "00001.h5")
    assert files.exists("/made-up/a.jpg")
