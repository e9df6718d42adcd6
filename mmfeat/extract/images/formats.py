"""What a file is by its first bytes: the formats that are read, and the names of all others.

HEIC is read where the extra `heic` is installed, AVIF where Pillow was built with it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from PIL import features

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # JPEG is MPO as well, as of phones
CONVERT = "convert it to JPEG or PNG"
DOWNLOAD = "download it again"
HEIC_EXTRA = f"install the extra: pip install 'mmfeat[heic]', or {CONVERT}"
LOOKED_AT = 4096  # bytes in which a text shows what it is


@dataclass(frozen=True)
class Signature:
    """What a file is whose beginning matches `pattern`, and what to do about it.

    `format` is Pillow's name of it, where some installations of Pillow read it.
    """

    pattern: re.Pattern[bytes]
    name: str
    remedy: str = CONVERT
    format: str = ""


def _starts(pattern: bytes, name: str, remedy: str = CONVERT, format: str = "") -> Signature:
    return Signature(re.compile(pattern, re.DOTALL | re.IGNORECASE), name, remedy, format)


_TEXT = rb"(?:\xef\xbb\xbf)?\s*"
_BOX = rb"....ftyp"  # ISO base media: the brand says what is inside
SIGNATURES = (
    _starts(_TEXT + rb"version https://git-lfs", "a pointer of Git LFS", "run `git lfs pull`"),
    _starts(_TEXT + rb"/annex/objects/", "a pointer of git-annex", "run `git annex get`"),
    _starts(_TEXT + rb"(?:<\?xml.*?|<!--.*?|<!doctype svg.*?)?<svg", "an SVG drawing"),
    _starts(
        _TEXT + rb"(?:<\?xml.*?|<!--.*?)?<(?:!doctype )?(?:html|head|body)",
        "an HTML page, often the error page of a download",
        DOWNLOAD,
    ),
    _starts(_TEXT + rb"<\?xml", "XML", DOWNLOAD),
    _starts(_TEXT + rb'[{\[]\s*["{\[\]}]', "JSON, often the error of a download", DOWNLOAD),
    _starts(rb".{0,1024}?%PDF-", "a PDF document"),
    _starts(rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript file"),
    _starts(_BOX + rb"(?:avif|avis)", "AVIF", f"install a newer Pillow, or {CONVERT}", "AVIF"),
    _starts(_BOX + rb"(?:hei[cxms]|hev[cxms]|mif1|msf1)", "HEIC (HEIF)", HEIC_EXTRA, "HEIF"),
    _starts(_BOX + rb"crx ", "a raw photograph (CR3)"),
    _starts(_BOX, "a video (MP4 or MOV)", "take a frame of it"),
    _starts(rb"\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51", "JPEG 2000"),
    _starts(rb"\0\0\0\x0cJXL \r\n|\xff\x0a", "JPEG XL"),
    _starts(rb"II\xbc\x01", "JPEG XR"),
    _starts(rb".{128}DICM", "a DICOM file"),
    _starts(rb"8BPS", "a Photoshop file"),
    _starts(rb"II\*\0.{4}CR|FUJIFILMCCD-RAW|IIRO|IIU\0", "a raw photograph"),
    _starts(rb"\0\0[\x01\x02]\0", "an icon (ICO)"),
    _starts(rb"v/1\x01", "OpenEXR"),
    _starts(rb"#\?(?:RADIANCE|RGBE)", "Radiance HDR"),
    _starts(rb"DDS ", "a DirectDraw surface"),
    _starts(rb"P[1-7]\s", "a portable anymap (PNM)"),
    _starts(rb"SIMPLE  =", "a FITS file"),
    _starts(rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "a Windows metafile"),
    _starts(rb"\x93NUMPY", "a NumPy array"),
    _starts(rb"\x89HDF", "an HDF5 file"),
    _starts(rb"PK\x03\x04", "a ZIP archive or office document", "unpack it"),
    _starts(rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!", "an archive", "unpack it"),
    _starts(rb"RIFF....AVI ", "a video (AVI)", "take a frame of it"),
    _starts(rb"\x1aE\xdf\xa3", "a video (WebM or MKV)", "take a frame of it"),
    _starts(rb"\0+$", "a file of zeros, as of a broken copy", "copy it again"),
)


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """The formats that are read here, by Pillow's names."""
    avif = ("AVIF",) if features.check("avif") else ()
    return (*FORMATS, *avif, *(("HEIF",) if _has_heif() else ()))


def describe(content: bytes, formats: Sequence[str]) -> str:
    """Say what a file is that is none of `formats`, and what to do about it."""
    head = content[:LOOKED_AT]
    for signature in SIGNATURES:
        if signature.pattern.match(head) and signature.format in formats:
            return f"the file begins as {signature.name} and is damaged; {DOWNLOAD}"
        if signature.pattern.match(head):
            return f"the file is {signature.name}, which is not read; {signature.remedy}"
    kind = "text" if _is_text(head) else "of an unknown kind"
    return f"the file is {kind}, not one of {', '.join(formats)}"


def _is_text(head: bytes) -> bool:
    printable = sum(byte >= 32 or byte in b"\t\r\n" for byte in head)
    return b"\0" not in head and printable > 0.95 * len(head)


def _has_heif() -> bool:
    try:
        import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return False
    return True
