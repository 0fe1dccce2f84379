"""masu's core: a Dockerfile in, an image out. It knows no CI platform; `steps/` wraps it for those."""

__version__ = "0.1.0"
