"""The container entrypoint of the step image, and what makes that image; one adapter a CI platform goes beside them."""

from pathlib import Path

HOME = Path("/kaniko")
"""masu's directory in the image: Kaniko's own, which CI files name. All that masu needs is below it."""

IMAGE = "registry.example.org/masu"
"""The step image's name: `:latest`, and `:debug` with a shell. Where it lies is up to whoever builds it with `make image`."""
ACTION = "OWNER/masu/plugins/github-actions@v1"
"""What a workflow names with `uses`, OWNER being whoever publishes it."""
