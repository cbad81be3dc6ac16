"""This file knows about starting: ``clipcli`` and ``python -m clipcli``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from clipcli.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
