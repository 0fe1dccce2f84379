"""masu beside docker and buildah in one run, cold, pushing to a real registry: `python -m bench --help`."""
