"""Objects of Google Cloud Storage: `gs://BUCKET[/OBJECT]`, with whatever credentials the Google libraries find, or none."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builder.context.resumable import CHUNK, Ranged
from builder.context.source import Archive, Means, bucket_and_object, unreachable
from builder.credentials.google import Google
from builder.errors import ContextError
from builder.retry import TRANSIENT, Transient

_TIMEOUT = (30, 120)  # seconds to connect, and without a byte


class Gcs:
    def __init__(self, means: Means) -> None:
        self._means = means

    def fetch(self, text: str, directory: Path) -> Archive:
        bucket, name = bucket_and_object(text)
        what, retry = f"gs://{bucket}/{name}", self._means.retry
        with _explained(what):
            store = self._client().bucket(bucket)
        found = retry.run(lambda: _look_up(store, name, what))
        # Anew, since the library would load the other from whatever URL the answer named.
        blob = store.blob(name, generation=found.generation)

        def get(start: int, length: int) -> bytes:
            with _explained(what):
                data: bytes = blob.download_as_bytes(
                    start=start,
                    end=start + length - 1,
                    raw_download=True,
                    checksum=None,
                    retry=None,
                    timeout=_TIMEOUT,
                )
                return data

        return Archive(stream=io.BufferedReader(Ranged(get, found.size, name=what, retry=retry), CHUNK))

    def _client(self) -> Any:
        """One whose connections are as all of masu's; it is nobody's if there is no account: the bucket may be public."""
        from google.auth.credentials import AnonymousCredentials
        from google.auth.transport.requests import AuthorizedSession
        from google.cloud import storage

        from builder.context.http import settle

        env = self._means.env
        google = Google(env)
        account = (None if env.get("STORAGE_EMULATOR_HOST") else google.account()) or AnonymousCredentials()
        session = AuthorizedSession(account, auth_request=google.request)
        settle(session, env)
        return storage.Client(project=None, credentials=account, _http=session)


def _look_up(store: Any, name: str, what: str) -> Any:
    """The object with its size and generation."""
    with _explained(what):
        blob = store.blob(name)
        blob.reload(retry=None, timeout=_TIMEOUT)
        return blob


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
    except ValueError as error:  # settings that contradict one another
        raise ContextError(f"{what}: {error}", hint=_hint(401)) from error
    except (RequestException, OSError) as error:
        raise unreachable(what, error) from error


def _hint(status: int) -> str:
    if status in (401, 403):
        return (
            "the account needs storage.objects.get on the object (role Storage Object Viewer); "
            "GOOGLE_APPLICATION_CREDENTIALS names a key file, else the machine's own account is used"
        )
    if status == 404:
        return "check bucket and object: gs://BUCKET alone means its object context.tar.gz"
    return "it has changed while it was downloaded: start the build again" if status == 412 else ""
