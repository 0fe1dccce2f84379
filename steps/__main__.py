"""`python -m steps` is masu as it is in the step image, outside of it: platforms are told what was built."""

import os
import sys

from builder import cli
from steps.entrypoint import on_platform

cli.open_streams()
cli.leave(on_platform(sys.argv[1:], os.environ))
