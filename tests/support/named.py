"""What a message names: flags, commands and keys, and which of them are not there."""

from __future__ import annotations

import re

from mmfeat.core.settings.keys import SECTIONS
from mmfeat_cli.flags import FLAG, FLAGS, QUOTED

OWN = re.compile(r"mmfeat ([a-z][a-z-]*)(.*)", re.DOTALL)
KEY = re.compile(r"([a-z_]+)(?: = (?:'[^']*'|\"[^\"]*\"))? in \[([a-z]+)\] of mmfeat\.toml")


def unknown_names(text: str, command: str | None) -> list[str]:
    """Flags, commands and keys in a message that `command` (None: no command) does not have."""
    unknown = []
    anywhere = frozenset().union(*FLAGS.values())
    for at, part in enumerate(QUOTED.split(text)):
        line = OWN.match(part.strip("`")) if at % 2 else None
        if line is not None and line[1] not in FLAGS:
            unknown.append(f"mmfeat {line[1]}")
        elif line is not None:
            unknown += sorted({found[1] for found in FLAG.finditer(line[2])} - FLAGS[line[1]])
        elif at % 2 == 0:
            known = anywhere if command is None else FLAGS[command] | {"--help"}
            unknown += sorted({found[1] for found in FLAG.finditer(part)} - known)
            unknown += [
                f"{name} of [{section}]"
                for name, section in KEY.findall(part)
                if name not in SECTIONS[section]
            ]
    return unknown
