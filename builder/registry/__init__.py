"""Registries over HTTP (OCI distribution spec); only transport.py knows the HTTP library."""
