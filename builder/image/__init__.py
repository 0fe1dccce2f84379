"""The OCI nouns as immutable values; nothing here does I/O but `Blob.open`."""
