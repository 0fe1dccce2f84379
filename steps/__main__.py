"""`python -m steps` is masu as it is in the step image, outside of it: platforms are told what was built."""

import os
import sys

from steps.entrypoint import on_platform

sys.exit(on_platform(sys.argv[1:], os.environ))
