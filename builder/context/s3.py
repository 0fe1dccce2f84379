"""Objects of S3 and of what speaks its protocol: `s3://BUCKET[/KEY]`, with whatever credentials boto3 finds, or none."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builder.context.resumable import CHUNK, Ranged
from builder.context.source import Archive, Means, bucket_and_object, unreachable
from builder.errors import ContextError
from builder.govalues import is_bool, parse_bool
from builder.retry import TRANSIENT, Transient
from builder.trust import Trust

_CONNECT_SECONDS, _READ_SECONDS = 30, 120
_DEFAULT_REGION = "us-east-1"


class S3:
    def __init__(self, means: Means) -> None:
        self._means = means
        self._certificates = Trust.of(means.env).bundle()  # open as long as the client may connect

    def fetch(self, text: str, directory: Path) -> Archive:
        bucket, key = bucket_and_object(text)
        what, retry = f"s3://{bucket}/{key}", self._means.retry
        with _explained(what):
            client = self._client()
        size, tag = retry.run(lambda: _look_up(client, bucket, key, what))

        unchanged = {"IfMatch": tag} if tag else {}

        def get(start: int, length: int) -> bytes:
            return self._range(client, what, start, length, Bucket=bucket, Key=key, **unchanged)

        return Archive(stream=io.BufferedReader(Ranged(get, size, name=what, retry=retry), CHUNK))

    def _range(self, client: Any, what: str, start: int, length: int, **details: str) -> bytes:
        with _explained(what):
            answer = client.get_object(Range=f"bytes={start}-{start + length - 1}", **details)
            with answer["Body"] as body:
                data: bytes = body.read()
            return data

    def _client(self) -> Any:
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config

        env = self._means.env
        session = boto3.session.Session(botocore_session=self._session())
        details: dict[str, Any] = {} if session.get_credentials() else {"signature_version": UNSIGNED}
        if self._path_style():
            details["s3"] = {"addressing_style": "path"}
        config = Config(
            connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries={"total_max_attempts": 1}, **details
        )
        return session.client("s3", endpoint_url=env.get("S3_ENDPOINT") or None, config=config)

    def _session(self) -> Any:
        """What S3 and STS are asked with. Go's SDK, and so Kaniko, reads AWS_REGION; boto3 doesn't."""
        import botocore.session

        session = botocore.session.Session()
        if not session.get_config_variable("ca_bundle"):
            session.set_config_variable("ca_bundle", f"/proc/self/fd/{self._certificates.fileno()}")
        region = self._means.env.get("AWS_REGION") or session.get_config_variable("region") or _DEFAULT_REGION
        session.set_config_variable("region", region)
        return session

    def _path_style(self) -> bool:
        text = self._means.env.get("S3_FORCE_PATH_STYLE", "")
        if text and not is_bool(text):
            raise ContextError(f"invalid S3_FORCE_PATH_STYLE {text!r}", hint="set it to true or false")
        return bool(text) and parse_bool(text)


def _look_up(client: Any, bucket: str, key: str, what: str) -> tuple[int, str]:
    """Its size and ETag, which is empty where the store has none."""
    with _explained(what):
        answer = client.head_object(Bucket=bucket, Key=key)
    if "ContentLength" not in answer:
        raise ContextError(f"{what}: the store doesn't tell its size", hint="is S3_ENDPOINT the address of an object store?")
    return int(answer["ContentLength"]), str(answer.get("ETag", ""))


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """What the library raises as ContextError, or as Transient where it may pass."""
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, IncompleteReadError
    from botocore.exceptions import ResponseStreamingError as BrokenOff
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        said = error.response.get("Error", {})
        failure = ContextError(f"{what}: {status} {said.get('Message') or said.get('Code') or ''}".rstrip(), hint=_hint(status))
        raise (Transient(failure) if status in TRANSIENT else failure) from error
    except (ConnectionError, HTTPClientError, IncompleteReadError, BrokenOff, HTTPError, OSError) as error:
        raise unreachable(what, error) from error
    except (BotoCoreError, ValueError) as error:
        raise ContextError(f"{what}: {error}", hint=_hint(401)) from error


def _hint(status: int) -> str:
    if status in (401, 403):
        return (
            "the account needs s3:GetObject on the object (and s3:ListBucket on the bucket to tell whether it is there); "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, a web identity or the machine's role are used"
        )
    if status in (301, 400):
        return (
            "is AWS_REGION the bucket's region? Stores other than Amazon's need S3_ENDPOINT, and mostly S3_FORCE_PATH_STYLE=true"
        )
    if status == 404:
        return "check bucket and key: s3://BUCKET alone means its object context.tar.gz"
    return "it has changed while it was downloaded: start the build again" if status == 412 else ""
