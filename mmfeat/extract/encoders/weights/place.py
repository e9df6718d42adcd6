"""Where weights are: what `--pretrained` names, and whether the hub can be reached."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

HUB = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
PROBE_SECONDS = 5.0
WITHOUT = "to try the commands without weights, use --model tiny-demo"  # a remedy


def split_tag(pretrained: str) -> tuple[str, str]:
    """The tag and the file of ``TAG=FILE``; else what it is, and no file.

    A tag decides how the model is built, which its weights alone do not tell.
    """
    name, _, file = pretrained.partition("=")
    return (name, file) if file and not Path(pretrained).is_file() else (pretrained, "")


def reachable(url: str) -> bool:
    """Whether something answers at an address, within seconds."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        return True  # only the proxy knows
    if os.environ.get("HF_HUB_OFFLINE"):
        return False
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True
