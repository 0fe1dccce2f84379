"""The container entrypoint of the step image, and what makes that image; one adapter a CI platform goes beside them."""

from pathlib import Path

HOME = Path("/kaniko")
"""masu's directory in the image: Kaniko's own, which CI files name. All that masu needs is below it."""
