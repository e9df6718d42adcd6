"""How often a JPEG goes over its pixels: a progressive one of few bytes may do so for minutes.

A decoder takes time for each scan over the whole picture, however few bytes the scan has. Real
files have up to about 12 scans. See libjpeg-turbo's `djpeg -maxscans`, which exists for this.
"""

from __future__ import annotations

import re

SCANS = 32  # that are always allowed
WORK = 1 << 31  # pixels times scans that are allowed beside: some 10 s
_START_OF_SCAN, _END = 0xDA, 0xD9
_ALONE = frozenset(range(0xD0, 0xD9)) | {0x01}  # markers without a length
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_AFTER_DATA = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)  # in the data of a scan


def refuse_scans(content: bytes, n_pixels: int) -> str | None:
    """Say why a JPEG with `n_pixels` would take too long to decode, or give None."""
    n_scans = count_scans(content)
    if n_scans <= SCANS or n_scans * n_pixels <= WORK:
        return None
    return (
        f"the JPEG has {n_scans} scans of {n_pixels} pixels, which take too long to decode; save"
        " it again, or shrink it"
    )


def count_scans(content: bytes) -> int:
    """Count the scans of the first picture in the bytes of a JPEG."""
    n_scans, at, marker = 0, 2, _MARKER
    while found := marker.search(content, at):
        kind, at, marker = found[1][0], found.end(), _MARKER
        if kind == _END:
            break
        if kind not in _ALONE:
            at += int.from_bytes(content[at : at + 2], "big")
        if kind == _START_OF_SCAN:
            n_scans, marker = n_scans + 1, _AFTER_DATA
    return n_scans
