"""`python -m builder` and the command `masu`."""

from __future__ import annotations

import os
import sys

from builder import cli


def main() -> None:
    sys.exit(cli.main(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
