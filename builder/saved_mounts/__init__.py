"""Directories of RUN --mount=type=cache, saved to a store when a build ends and restored where the next one needs them.

A saved mount is a manifest under a tag of its own. Its layers are packs: layers as any image has them, each with the files that
one save found new or changed, applied in their order; the last has all directories and the whiteouts of what has gone since.
Its config is an index of the files (`content.py`), from which the next save knows what need not be moved again.
"""
