"""Whom every TLS client here trusts: what SSL_CERT_FILE and SSL_CERT_DIR name, in their absence OpenSSL's own places.

A directory counts with all its files, as for Go's programs and so for Kaniko, whose users add theirs under any name; where the
files have OpenSSL's names, by their hash, OpenSSL finds them itself, and only those it needs.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from builder.errors import BuilderError

log = logging.getLogger(__name__)

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")  # openssl-rehash(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """`file` has certificates one after the other (PEM); empty for OpenSSL's own, as are no `directories`."""

    file: str = ""
    directories: tuple[str, ...] = ()

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Self:
        directories = env.get("SSL_CERT_DIR", "").split(":")
        return cls(file=env.get("SSL_CERT_FILE", ""), directories=tuple(filter(None, directories)))

    def context(self, *more: Path) -> ssl.SSLContext:
        """For a client, also trusting the certificates in the files `more`. Raises BuilderError when one can't be read."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        own = ssl.get_default_verify_paths()
        if self.file or os.path.exists(own.openssl_cafile):
            _load(context, self.file or own.openssl_cafile)
        for directory in self.directories or (own.openssl_capath,):
            _load_directory(context, directory)
        for file in more:
            _load(context, str(file))
        return context


def _load(context: ssl.SSLContext, file: str) -> None:
    try:
        context.load_verify_locations(file)
    except OSError as error:  # ssl.SSLError is one
        raise BuilderError(f"can't read the certificates in {file!r}: {error.strerror or error}") from error


def _load_directory(context: ssl.SSLContext, directory: str) -> None:
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        log.debug("no certificates in %s: %s", directory, error.strerror)
        return
    if any(_HASHED.fullmatch(name) for name in names):
        context.load_verify_locations(capath=directory)
        return
    for file in (os.path.join(directory, name) for name in names):
        if os.path.isfile(file):
            try:
                context.load_verify_locations(file)
            except OSError as error:
                log.warning("no certificates read from %r: %s", file, error.strerror or error)
