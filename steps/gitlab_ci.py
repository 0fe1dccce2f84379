"""GitLab CI: inputs of the component come as variables, the log folds, and what was built is told in report files.

docs.gitlab.com/ci/yaml/artifacts_reports, docs.gitlab.com/ci/jobs/job_logs.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from builder.decoration import Decoration
from builder.errors import UsageError
from steps import gitlab_reports, identity
from steps.adapter import Invocation
from steps.gitlab_inputs import INPUTS, values
from steps.outcome import Outcome
from steps.report import Report

_NAMED = "MASU_STEP"
_GOOGLE_TOKEN, _AWS_TOKEN = "MASU_GOOGLE_ID_TOKEN", "MASU_AWS_ID_TOKEN"
"""What the component's `id_tokens` are called."""
_DIRECTORY = ".masu"
_TITLE_CHARACTERS = 200


def detect(env: Mapping[str, str]) -> bool:
    """gitlab-ci-local sets GITLAB_CI to false."""
    return env.get("GITLAB_CI") == "true" or bool(env.get("CI_PROJECT_DIR") and env.get("CI_JOB_ID"))


def arguments(words: Sequence[str], env: Mapping[str, str]) -> Invocation:
    """The component's inputs as flags, then further `words`. Raises UsageError."""
    flags = [flag for row in INPUTS if row.is_flag for flag in row.flags(env)]
    _check_destinations(flags)
    variables, files = _identity(env)
    reports = directory(env)
    return Invocation(
        argv=("build", *flags, *_authorities(env), *values("args", env), *words),
        env={"MASU_CONTEXT": env.get("MASU_CONTEXT") or env.get("CI_PROJECT_DIR") or ".", **variables},
        files=files,
        stale=tuple(os.path.join(reports, name) for name in (*gitlab_reports.NAMES, gitlab_reports.BILL)),
        replacing=f"warning: the reports of an earlier build in {reports!r} are replaced: if it was this job's, give each of its "
        "builds a directory by MASU_REPORTS, or build each image in a job of its own\n",
    )


def defaults(env: Mapping[str, str]) -> Mapping[str, str]:
    """The runner checks out under umask 0000."""
    return {"MASU_GIT_MODES": "true"}


def reports(outcome: Outcome, env: Mapping[str, str]) -> tuple[Report, ...]:
    """Files for `artifacts:reports`, in the project's directory; none for who calls masu as Kaniko."""
    return gitlab_reports.reports(outcome, env, directory(env)) if env.get(_NAMED) else ()


def decoration(env: Mapping[str, str]) -> Decoration:
    return Sections(run=str(time.time_ns() // 1_000_000))


def directory(env: Mapping[str, str]) -> str:
    """Where the reports are: GitLab takes files of the project's directory only."""
    return os.path.join(env.get("CI_PROJECT_DIR", "."), env.get("MASU_REPORTS") or _DIRECTORY)


class Sections:
    """A collapsed section for each instruction. `run` makes names this build's own, `clock` gives seconds since the epoch."""

    def __init__(self, *, run: str, clock: Callable[[], float] = time.time) -> None:
        self._run = run
        self._clock = clock

    def begins(self, key: str, title: str) -> str:
        line = self.harmless(re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", title).strip())[:_TITLE_CHARACTERS]
        return f"\x1b[0Ksection_start:{int(self._clock())}:{self._name(key)}[collapsed=true]\r\x1b[0K{line}\n"

    def ends(self, key: str) -> str:
        return f"\x1b[0Ksection_end:{int(self._clock())}:{self._name(key)}\r\x1b[0K\n"

    def shield(self) -> tuple[str, str]:
        """GitLab has nothing that makes it deaf."""
        return "", ""

    def forbidden(self) -> tuple[str, ...]:
        return ("section_start:", "section_end:")

    def harmless(self, text: str) -> str:
        for word in self.forbidden():
            text = text.replace(word, word.replace("_", "-"))
        return text

    def _name(self, key: str) -> str:
        """GitLab knows sections by letters and digits alone, and in small letters."""
        return re.sub(r"[^a-z0-9]+", "_", f"masu {key} {self._run}".lower())


def _authorities(env: Mapping[str, str]) -> Iterator[str]:
    """GitLab's own CA, if its runner was given one, for GitLab's own hosts."""
    port = env.get("CI_SERVER_PORT", "")
    server = f"{env.get('CI_SERVER_HOST', '')}:{port}".removesuffix(":443").rstrip(":")
    hosts = (env.get("CI_REGISTRY"), env.get("CI_DEPENDENCY_PROXY_SERVER"), server)
    if file := env.get("CI_SERVER_TLS_CA_FILE"):
        yield from (f"--registry-certificate={host}={file}" for host in dict.fromkeys(filter(None, hosts)))


def _check_destinations(flags: Sequence[str]) -> None:
    """What a variable that isn't set leaves of the component's default."""
    if any(flag.startswith("--destination=:") for flag in flags):
        hint = "turn the project's container registry on (Settings > General > Visibility), or give the input destination"
        raise UsageError("$CI_REGISTRY_IMAGE is empty: this project has no container registry", hint=hint)


def _identity(env: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Variables and files by which the clouds' libraries know the job by its ID tokens. Raises UsageError."""
    variables, files = dict[str, str](), dict[str, str]()
    base = os.path.join(env.get("TMPDIR") or "/tmp", f"masu-{os.getpid()}")
    provider, role = "".join(values("google-workload-identity-provider", env)), "".join(values("aws-role-arn", env))
    if provider:
        _check_provider(provider)
        files[f"{base}-google-token"] = _token(_GOOGLE_TOKEN, env, "google-workload-identity-provider")
        account = "".join(values("google-service-account", env))
        files[f"{base}-google.json"] = json.dumps(
            identity.google_account(provider, service_account=account, token_file=f"{base}-google-token")
        )
        variables["GOOGLE_APPLICATION_CREDENTIALS"] = f"{base}-google.json"
    if role:
        files[f"{base}-aws-token"] = _token(_AWS_TOKEN, env, "aws-role-arn")
        variables |= identity.aws_role(role, session=f"gitlab-{env.get('CI_JOB_ID', '0')}", token_file=f"{base}-aws-token")
    return variables, files


def _check_provider(provider: str) -> None:
    """The component puts it behind a host to ask for a token, and can't take one away first."""
    if provider.removeprefix("https:").startswith("//"):
        hint = "write projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/NAME, without a host"
        raise UsageError(f"the job's token isn't for the workload identity provider {provider!r}", hint=hint)


def _token(variable: str, env: Mapping[str, str], name: str) -> str:
    if not env.get(variable):
        hint = f"the component asks for it by `id_tokens`; a job of your own needs `id_tokens: {{{variable}: {{aud: …}}}}`"
        raise UsageError(f"the input {name} is given, but ${variable} is empty", hint=hint)
    return env[variable]
