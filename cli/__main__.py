"""`python -m mmfeat_cli` and the console script: the command line, also when stopped at once."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the commands and run one; Ctrl-C while they load ends like any other."""
    try:
        from mmfeat_cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
