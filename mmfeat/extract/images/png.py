"""PNG without its colour profile and texts, which Pillow refuses where they are large.

They change no pixel that is read here. Where they are of usual size they stay: some programs
write the orientation of a picture as a text.
"""

from __future__ import annotations

SIGNATURE = b"\x89PNG\r\n\x1a\n"
METADATA = frozenset({b"iCCP", b"tEXt", b"zTXt", b"iTXt"})


def without_metadata(content: bytes) -> bytes:
    """Drop colour profile and texts from the bytes of a PNG; the rest stays as it is."""
    kept, at = [SIGNATURE], len(SIGNATURE)
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")  # length, name, data, CRC
        if content[at + 4 : at + 8] not in METADATA:
            kept.append(content[at:end])
        at = end
    return b"".join(kept)
