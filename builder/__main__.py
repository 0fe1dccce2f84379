"""`python -m builder` and the command `masu`."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from builder import cli


def main() -> NoReturn:
    cli.open_streams()
    cli.leave(cli.main(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
