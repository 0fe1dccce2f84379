"""Objects of Google Cloud Storage: `gs://BUCKET[/OBJECT]`, with whatever credentials the Google libraries find, or none."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builder.context.resumable import CHUNK, Ranged
from builder.context.source import Archive, Means, bucket_and_object
from builder.errors import ContextError
from builder.retry import TRANSIENT, Transient
from builder.trust import Trust

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
_TIMEOUT = (30, 120)  # seconds to connect, and without a byte


class Gcs:
    def __init__(self, means: Means) -> None:
        self._means = means

    def fetch(self, text: str, directory: Path) -> Archive:
        bucket, name = bucket_and_object(text)
        what, retry = f"gs://{bucket}/{name}", self._means.retry
        with _explained(what):
            blob = self._client().bucket(bucket).blob(name)
        retry.run(lambda: _look_up(blob, what))

        def get(start: int, length: int) -> bytes:
            with _explained(what):
                data: bytes = blob.download_as_bytes(
                    start=start,
                    end=start + length - 1,
                    if_generation_match=blob.generation,
                    raw_download=True,
                    checksum=None,
                    retry=None,
                    timeout=_TIMEOUT,
                )
                return data

        return Archive(stream=io.BufferedReader(Ranged(get, blob.size, name=what, retry=retry), CHUNK))

    def _client(self) -> Any:
        """One whose connections trust what all of masu's do."""
        from google.auth.transport.requests import AuthorizedSession, Request
        from google.cloud import storage

        trust = Trust.of(self._means.env).context()
        credentials = self._credentials(Request(_trusting(_plain_session(), trust)))
        session = AuthorizedSession(credentials, auth_request=Request(_trusting(_plain_session(), trust)))
        return storage.Client(project=None, credentials=credentials, _http=_trusting(session, trust))

    def _credentials(self, request: Any) -> Any:
        """Nobody's if there are none: the bucket may be public."""
        import google.auth
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import DefaultCredentialsError

        if self._means.env.get("STORAGE_EMULATOR_HOST"):
            return AnonymousCredentials()
        try:
            return google.auth.default(scopes=(_SCOPE,), request=request)[0]
        except DefaultCredentialsError:
            if self._means.env.get("GOOGLE_APPLICATION_CREDENTIALS"):
                raise
            return AnonymousCredentials()


def _look_up(blob: Any, what: str) -> None:
    """Find out its size and generation."""
    with _explained(what):
        blob.reload(retry=None, timeout=_TIMEOUT)


def _plain_session() -> Any:
    import requests

    return requests.Session()


def _trusting(session: Any, context: ssl.SSLContext) -> Any:
    from builder.context.http import TrustingAdapter

    session.mount("https://", TrustingAdapter(context))
    return session


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """What the libraries raise as ContextError, or as Transient where it may pass."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError
    from requests import RequestException

    try:
        yield
    except GoogleAPICallError as error:
        status = int(error.code or 0)
        failure = ContextError(f"{what}: {status} {error.message}", hint=_hint(status))
        raise (Transient(failure) if status in TRANSIENT else failure) from error
    except GoogleAuthError as error:
        failure = ContextError(f"{what}: no access with the credentials found here: {error}", hint=_hint(401))
        raise (Transient(failure) if error.retryable else failure) from error
    except (RequestException, OSError) as error:
        raise Transient(
            ContextError(f"{what}: {error}", hint="can the host be reached from here (HTTPS_PROXY, NO_PROXY)?")
        ) from error


def _hint(status: int) -> str:
    if status in (401, 403):
        return (
            "the account needs storage.objects.get on the object (role Storage Object Viewer); "
            "GOOGLE_APPLICATION_CREDENTIALS names a key file, else the machine's own account is used"
        )
    if status == 404:
        return "check bucket and object: gs://BUCKET alone means its object context.tar.gz"
    return "it has changed while it was downloaded: start the build again" if status == 412 else ""
