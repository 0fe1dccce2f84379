"""Whom every TLS client here trusts: what SSL_CERT_FILE and SSL_CERT_DIR name, in their absence OpenSSL's own places.

A directory counts with all its files, as for Go's programs and so for Kaniko, whose users add theirs under any name; those with
OpenSSL's names, by their hash, OpenSSL finds itself, and only when it needs them.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, Self

from builder.errors import BuilderError
from builder.values import dataclass

log = logging.getLogger(__name__)

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")  # openssl-rehash(1)
_BEGIN = re.compile(rb"BEGIN (?:TRUSTED |X509 )?CERTIFICATE")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """What a client shows to say who it is: PEM files."""

    certificate: Path
    key: Path

    def load_into(self, context: ssl.SSLContext) -> None:
        """Raises BuilderError when the files can't be read, don't belong together, or the key has a password."""
        try:
            context.load_cert_chain(self.certificate, self.key, password=b"")
        except OSError as error:  # ssl.SSLError is one
            hint = "they are PEM files that belong together, the key without a password"
            what = f"client certificate {str(self.certificate)!r} with key {str(self.key)!r}"
            raise BuilderError(f"can't use {what}: {error.strerror or error}", hint=hint) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """`file` has certificates one after the other (PEM); empty for OpenSSL's own, as are no `directories`."""

    file: str = ""
    directories: tuple[str, ...] = ()

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Self:
        directories = env.get("SSL_CERT_DIR", "").split(":")
        return cls(file=env.get("SSL_CERT_FILE", ""), directories=tuple(filter(None, directories)))

    def context(self, *more: Path, shown: ClientCertificate | None = None) -> ssl.SSLContext:
        """For a client that shows `shown`, also trusting the certificates in the files `more`.

        Raises BuilderError when a file can't be read.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        own = ssl.get_default_verify_paths()
        if self.file or os.path.exists(own.openssl_cafile):
            _load(context, self.file or own.openssl_cafile)
        for directory in self.directories or (own.openssl_capath,):
            _load_directory(context, directory)
        for file in more:
            _load(context, str(file))
        if shown is not None:
            shown.load_into(context)
        return context

    def bundle(self) -> IO[bytes]:
        """All these certificates in one file in memory (PEM), for libraries that want a path: /proc/self/fd/N of it."""
        own = ssl.get_default_verify_paths()
        directories = self.directories or (own.openssl_capath,)
        paths = [self.file or own.openssl_cafile, *(path for name in directories for path in _files(name))]
        file = os.fdopen(os.memfd_create("certificates"), "w+b")
        for path in paths:
            if os.path.isfile(path) and _is_readable(path):
                file.write(Path(path).read_bytes() + b"\n")
        file.flush()
        return file


def _files(directory: str) -> list[str]:
    try:
        return [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
    except OSError as error:
        log.debug("no certificates in %s: %s", directory, error.strerror)
        return []


def _is_readable(path: str) -> bool:
    """Whether OpenSSL can read it as certificates."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # ssl.SSLError is one
        log.debug("no certificates read from %r: %s", path, error.strerror or error)
        return False
    return True


def blind_context(shown: ClientCertificate | None = None) -> ssl.SSLContext:
    """For a client that doesn't look at the server's certificate, but may show its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if shown is not None:
        shown.load_into(context)
    return context


def check_authority(file: Path) -> None:
    """Raises BuilderError when the file has no certificates that could be trusted."""
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), str(file))


def _load(context: ssl.SSLContext, file: str) -> None:
    try:
        context.load_verify_locations(file)
    except OSError as error:  # ssl.SSLError is one
        raise BuilderError(f"can't read the certificates in {file!r}: {error.strerror or error}") from error


def _load_directory(context: ssl.SSLContext, directory: str) -> None:
    files = [file for file in _files(directory) if os.path.isfile(file)]
    hashed = [file for file in files if _HASHED.fullmatch(os.path.basename(file))]
    if hashed:
        context.load_verify_locations(capath=directory)
    for file in _not_found(files, hashed):
        try:
            context.load_verify_locations(file)
        except OSError as error:
            log.warning("no certificates read from %r: %s", file, error.strerror or error)


def _not_found(files: Sequence[str], hashed: Sequence[str]) -> list[str]:
    """Those with a certificate that no hash leads to; Debian's file of all certificates, which takes long to load, isn't one."""
    if not hashed:
        return list(files)
    linked = {_inode(file) for file in hashed}
    rest = [file for file in files if _inode(file) not in linked]
    found = set().union(*map(_certificates, hashed)) if rest else set()
    return [file for file in rest if not _certificates(file) <= found]


def _inode(file: str) -> tuple[int, int]:
    status = os.stat(file)
    return status.st_dev, status.st_ino


def _certificates(file: str) -> set[bytes]:
    """Their base64, however it is broken into lines (RFC 7468)."""
    parts = Path(file).read_bytes().split(b"-----")
    return {body.translate(None, b" \t\r\n") for mark, body in pairwise(parts) if _BEGIN.fullmatch(mark)}
