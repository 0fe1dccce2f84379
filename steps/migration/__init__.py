"""`masu migrate`: rewrites what names Kaniko in CI files to masu, and leaves every other byte of them as it is."""
