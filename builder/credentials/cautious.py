"""A driver whose trouble is a warning: images that everybody may pull must not need a cloud that is out of order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from builder.credentials.credential import Credential
from builder.errors import CredentialError
from builder.image.reference import Repository

if TYPE_CHECKING:
    from builder.credentials import Credentials

log = logging.getLogger(__name__)

_PATIENCE = 60.0
"""Seconds that a host's failure is remembered: several stages would wait for the same one after the other."""


class Cautious:
    """`driver` without its CredentialErrors, each host's told once a minute; `clock` gives seconds."""

    def __init__(self, driver: Credentials, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._driver = driver
        self._clock = clock
        self._failed: dict[str, float] = {}
        self._lock = threading.Lock()

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        if self._is_failed(repository.host):
            return None
        try:
            return self._driver.find(repository, refused=refused)
        except CredentialError as error:
            if not self._is_failed(repository.host):
                with self._lock:
                    self._failed[repository.host] = self._clock() + _PATIENCE
                log.warning("%s; going on without it%s", error.message, f" ({error.hint})" if error.hint else "")
            return None

    def _is_failed(self, host: str) -> bool:
        with self._lock:
            return self._clock() < self._failed.get(host, float("-inf"))
