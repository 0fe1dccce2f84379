"""The Dockerfile language: bytes to typed instructions, as text; nothing here does I/O."""
