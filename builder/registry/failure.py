"""From a registry's refusal to a sentence: what was asked, what it said, and what to do about it."""

from __future__ import annotations

import json
import re
from typing import Any

from builder.errors import AuthError, NotFoundError, RegistryError
from builder.values import dataclass
from builder.web import shown

_LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request was for: the host, as in references, the repository's path, and who asked, perhaps with a token granted.

    `service` is what the registry calls itself in its challenge.
    """

    host: str
    path: str
    push: bool
    username: str | None = None
    with_token: bool = False
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A refusal, to find the advice for; `text` has the registry's code and words, `server` is its Server header."""

    status: int
    code: str
    text: str
    server: str
    asked: Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Advice:
    """`text` is for answers with one of `statuses`, from a `host`, `service` or `server` (the whole of it, all that are given).

    Where `push` is given it is for pushing or pulling only; `says` is searched for in what the registry said, `path` is the whole
    of the repository's. `{host}` and `{path}` may stand in the text.
    """

    text: str
    statuses: frozenset[int]
    host: str = ".*"
    service: str = ".*"
    server: str = ".*"
    says: str = ""
    push: bool | None = None
    path: str = ".*"

    def fits(self, told: _Told) -> bool:
        asked = told.asked
        named = (
            (self.host, asked.host.lower()),
            (self.service, asked.service),
            (self.server, told.server),
            (self.path, asked.path),
        )
        return (
            told.status in self.statuses
            and self.push in (None, asked.push)
            and all(re.fullmatch(pattern, text) for pattern, text in named)
            and re.search(self.says, told.text, re.IGNORECASE) is not None
        )


_REFUSED = frozenset({400, 401, 403, 404, 405, 409, 412, 422})
_NOT_ALLOWED = frozenset({401, 403})
_LIMITED = frozenset({429})
_MISSING = frozenset({404})
_IMMUTABLE = re.compile(r"immutab|does not allow updating assets", re.IGNORECASE)
"""ECR, Artifact Registry, Harbor, Docker Hub and Quay say so in a word; the other is Nexus with redeployment disabled."""

_HUB = r"docker\.io"
_GOOGLE = r"(?:[a-z0-9-]+\.)?gcr\.io|[a-z0-9-]+-docker\.pkg\.dev|docker\.[a-z0-9-]+\.rep\.pkg\.dev"
_ECR = r"\d{12}\.dkr[.-]ecr(?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|on\.aws)"
_ACR = r"[a-z0-9-]+\.azurecr\.(?:io|cn|de|us)"

_LOGIN = "log in (`masu login docker.io`)"
_ARTIFACTORY = (
    "in Artifactory a path begins with the key of a Docker repository, local or virtual with a default for deployment; the user "
    "needs Deploy on it"
)

_ADVICE = (
    _Advice(
        statuses=_REFUSED, push=True, says=_IMMUTABLE.pattern,
        text="the tag is immutable and means another image: give a new tag, or --push-ignore-immutable-tag-errors",
    ),
    # https://docs.docker.com/docker-hub/usage/
    _Advice(
        statuses=_LIMITED, host=_HUB,
        text=f"Docker Hub limits pulls, anonymous ones most of all: {_LOGIN}, or pull through a --registry-mirror",
    ),
    _Advice(
        statuses=_NOT_ALLOWED, host=_HUB, push=True, path="library/[^/]+",
        text=f"names without a slash are Docker's own: write docker.io/YOUR-NAME/IMAGE, and {_LOGIN}",
    ),
    _Advice(
        statuses=_NOT_ALLOWED, host=_HUB, push=True,
        text="Docker Hub says the same of what does not exist: check that {path!r} does, that you may push there, and that "
        f"the access token has the scope Read & Write; {_LOGIN}",
    ),
    _Advice(
        statuses=_NOT_ALLOWED, host=_HUB, push=False,
        text=f"Docker Hub says the same of what does not exist: check the name {{path!r}}; if it is private, {_LOGIN}",
    ),
    # https://docs.github.com/packages/managing-github-packages-using-github-actions-workflows
    _Advice(
        statuses=_NOT_ALLOWED, host=r"ghcr\.io", push=True,
        text="in a workflow write `permissions: packages: write` and log in with the job's token; a package that another "
        "repository made wants Manage Actions access in its settings; a personal token wants the scope write:packages",
    ),
    _Advice(
        statuses=_NOT_ALLOWED, host=r"ghcr\.io", push=False,
        text="the package is private or does not exist: in a workflow write `permissions: packages: read` and log in with the "
        "job's token, elsewhere with a personal token of the scope read:packages",
    ),
    # https://docs.gitlab.com/user/packages/container_registry/
    _Advice(
        statuses=_NOT_ALLOWED | _MISSING, service="container_registry", push=True,
        text="the path must begin with that of an existing project, whose container registry is on; a token needs "
        "write_registry, a job's own pushes to its own project only",
    ),
    # https://cloud.google.com/artifact-registry/docs/docker/troubleshoot
    _Advice(
        statuses=_NOT_ALLOWED | _MISSING, host=_GOOGLE, push=True,
        text="the repository must exist (`gcloud artifacts repositories create NAME --repository-format=docker "
        "--location=PLACE`; a path is PROJECT/NAME/IMAGE), and the account needs roles/artifactregistry.writer on it",
    ),
    _Advice(
        statuses=_NOT_ALLOWED, host=_GOOGLE, push=False,
        text="check the name, and that the account has roles/artifactregistry.reader on the repository",
    ),
    # https://docs.aws.amazon.com/AmazonECR/latest/userguide/
    _Advice(
        statuses=_MISSING, host=_ECR, push=True,
        text="ECR makes no repository by itself: `aws ecr create-repository --repository-name {path}`",
    ),
    _Advice(
        statuses=_NOT_ALLOWED | frozenset({400}), host=_ECR, says="token has expired|no basic auth",
        text="an ECR password ends after 12 hours: get a new one, or give masu AWS credentials, with which it gets its own",
    ),
    _Advice(
        statuses=_NOT_ALLOWED, host=_ECR, push=True,
        text="the role needs ecr:GetAuthorizationToken, and on this repository ecr:InitiateLayerUpload, UploadLayerPart, "
        "CompleteLayerUpload, BatchCheckLayerAvailability and PutImage",
    ),
    _Advice(
        statuses=_NOT_ALLOWED, host=_ECR, push=False,
        text="the role needs ecr:GetAuthorizationToken, and on this repository ecr:BatchGetImage and GetDownloadUrlForLayer",
    ),
    # https://learn.microsoft.com/azure/container-registry/container-registry-troubleshoot-login
    _Advice(
        statuses=_NOT_ALLOWED, host=_ACR, push=True,
        text="the identity needs the role AcrPush (Container Registry Repository Writer where ABAC is on) on {host}",
    ),
    _Advice(
        statuses=_NOT_ALLOWED, host=_ACR, push=False,
        text="the identity needs the role AcrPull (Container Registry Repository Reader where ABAC is on) on {host}",
    ),
    # https://goharbor.io/docs/latest/working-with-projects/
    _Advice(
        statuses=_NOT_ALLOWED | _MISSING, service="harbor-registry", push=True,
        text="in Harbor the first part of a path is a project: it must exist, and the user or robot be at least a developer "
        "of it",
    ),
    # https://docs.quay.io/glossary/robot-accounts.html
    _Advice(
        statuses=_NOT_ALLOWED, host=r"quay\.io", push=True,
        text="a robot account (NAMESPACE+NAME) needs Write on the repository, and makes none unless its team has the role "
        "creator: create {path!r} first",
    ),
    # https://jfrog.com/help/r/jfrog-artifactory-documentation/docker-repositories
    _Advice(statuses=_NOT_ALLOWED | _MISSING | frozenset({405}), host=r".*\.jfrog\.io", push=True, text=_ARTIFACTORY),
    _Advice(statuses=_NOT_ALLOWED | _MISSING | frozenset({405}), server="Artifactory.*", push=True, text=_ARTIFACTORY),
    # https://help.sonatype.com/en/docker-registry.html
    _Advice(
        statuses=_MISSING | frozenset({400, 403, 405}), server="Nexus.*",
        text="Nexus speaks docker's protocol on the connector port of a Docker repository, or where a proxy leads to it, not "
        "on the port of its pages; group repositories take pushes in the Pro edition only",
    ),
)  # fmt: skip
"""What each kind of registry needs; the first that fits counts. Where one documents it stands above its rows."""

_BY_STATUS = {
    407: "the proxy wants a user and a password: HTTP_PROXY=http://USER:PASSWORD@HOST:PORT",
    413: "a proxy before the registry limits the size of requests: raise its limit (nginx: client_max_body_size)",
    429: "the registry limits the rate of requests: log in, wait, or use a mirror (--registry-map)",
}


def failure(method: str, url: str, status: int, body: bytes, asked: Asked, *, server: str = "") -> RegistryError:
    """The error for an answer that wasn't expected (OCI distribution spec, Error Codes); `server` is its Server header."""
    code, said = _said(body)
    message = f"{method} {shown(url)}: {status} {code}".rstrip()
    message += f": {said}" if said else ""
    kind = {401: AuthError, 403: AuthError, 404: NotFoundError}.get(status, RegistryError)
    told = _Told(status=status, code=code, text=f"{code}: {said}", server=server, asked=asked)
    return kind(message, status=status, code=code, hint=_hint(told))


def _said(body: bytes) -> tuple[str, str]:
    """The code and the message of an error document, or the text of another answer, if it is short and plain."""
    text = body.decode(errors="replace").strip()
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        plain = text if len(text) <= _LONGEST_TEXT and "<" not in text else ""
        return "", _one_line(plain)
    if not isinstance(document, dict):
        return "", ""
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else document
    code = first.get("code") or first.get("error") or ""
    said = first.get("message") or first.get("error_description") or first.get("details") or ""
    return _one_line(str(code)), _one_line(str(said))


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:_LONGEST_TEXT]


def _hint(told: _Told) -> str:
    """What the registry's own kind needs, else what all do."""
    for advice in _ADVICE:
        if advice.fits(told):
            return advice.text.format(host=told.asked.host, path=told.asked.path)
    if told.status == 403 or (told.status == 401 and told.asked.with_token and told.asked.username is not None):
        return _forbidden(told.asked)
    if told.status == 401:
        return _unauthorized(told.asked)
    if told.status == 404:
        return _missing(told.code, told.asked)
    if told.status >= 500:
        return "the registry has trouble of its own: try again later"
    return _BY_STATUS.get(told.status, "")


def _unauthorized(asked: Asked) -> str:
    if asked.username is None:
        return f"no credentials for {asked.host!r} were found: log in there, for instance with `masu login {asked.host}`"
    who = f" of user {asked.username!r}" if asked.username else ""
    return f"the registry refused the credentials{who} for {asked.host!r}: check them, and that a token has not expired"


def _forbidden(asked: Asked) -> str:
    needed = "push" if asked.push else "pull"
    who = "anonymous users" if asked.username is None else f"user {asked.username!r}" if asked.username else "this token"
    return f"{who} may not {needed} {asked.host}/{asked.path}: give {needed} permission on that repository"


def _missing(code: str, asked: Asked) -> str:
    if asked.push or code == "NAME_UNKNOWN":
        return f"there is no repository {asked.path!r} at {asked.host!r}: create it first, or check the name"
    return "check the name and the tag or digest; a private repository also looks missing to whom it isn't shown"


def says_immutable(error: RegistryError) -> bool:
    """Whether the registry refused to move a tag because its tags are immutable; there is no common code for it."""
    return error.status in _REFUSED and _IMMUTABLE.search(f"{error.code} {error.message}") is not None
