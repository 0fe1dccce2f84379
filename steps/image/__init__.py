"""What makes the step image: everything masu needs, below one directory, independent of the rest of the filesystem."""
