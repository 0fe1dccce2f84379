from __future__ import annotations

from pathlib import Path

import pytest

from builder.credentials import Credential
from builder.credentials.gitlab import GitLab
from builder.image.reference import Reference
from tests.support.masu import Masu, write_context
from tests.support.registry import htpasswd, serve_registry

REGISTRY = {"CI_REGISTRY": "registry.gitlab.example", "CI_REGISTRY_USER": "gitlab-ci-token", "CI_REGISTRY_PASSWORD": "job"}
PROXY = {
    "CI_DEPENDENCY_PROXY_SERVER": "gitlab.example:443",
    "CI_DEPENDENCY_PROXY_USER": "gitlab-ci-token",
    "CI_DEPENDENCY_PROXY_PASSWORD": "proxy",
}
HARBOR = {"HARBOR_HOST": "harbor.example", "HARBOR_USERNAME": "robot$app", "HARBOR_PASSWORD": "robot"}
DEPLOY = {"CI_DEPLOY_USER": "gitlab+deploy-token-1", "CI_DEPLOY_PASSWORD": "deploy"}


def password(env: dict[str, str], reference: str) -> str | None:
    found = GitLab(env).find(Reference.parse(reference).repository)
    return None if found is None else found.password


@pytest.mark.parametrize(
    ("env", "reference", "expected"),
    [
        (REGISTRY, "registry.gitlab.example/group/app", "job"), (REGISTRY, "registry.gitlab.example:443/group/app", "job"),
        (REGISTRY | DEPLOY, "registry.gitlab.example/app", "job"), (PROXY, "gitlab.example/group/containers/debian", "proxy"),
        (REGISTRY | PROXY, "gitlab.example/group/containers/debian", "proxy"),
        ({"CI_REGISTRY": "r.example:5050"} | DEPLOY, "r.example:5050/app", "deploy"),
        ({**REGISTRY, "CI_REGISTRY": "index.docker.io"}, "ann/app", "job"),
        (REGISTRY, "gitlab.example/app", None), (REGISTRY, "registry.gitlab.example.evil.test/app", None),
        (REGISTRY, "registry.gitlab.example:5050/app", None), ({"CI_REGISTRY": "r.example:5050"} | DEPLOY, "r.example/app", None),
        (PROXY, "registry.gitlab.example/app", None), (DEPLOY, "registry.gitlab.example/app", None),
        (REGISTRY | HARBOR, "harbor.example/project/app", "robot"), (HARBOR, "registry.gitlab.example/app", None),
        ({**REGISTRY, "CI_REGISTRY_PASSWORD": ""}, "registry.gitlab.example/app", None),
    ],
)  # fmt: skip
def test_each_credential_is_for_the_host_that_gitlab_names(env: dict[str, str], reference: str, expected: str | None) -> None:
    assert password(env, reference) == expected


def test_a_jobs_user_comes_with_its_password() -> None:
    found = GitLab(REGISTRY).find(Reference.parse("registry.gitlab.example/app").repository)
    assert found == Credential(username="gitlab-ci-token", password="job")


def test_a_job_pushes_without_any_setting(tmp_path: Path) -> None:
    with serve_registry(tmp_path, auth=htpasswd(tmp_path, {"gitlab-ci-token": "job"})) as registry:
        masu = Masu(state=tmp_path / "state", env={**REGISTRY, "CI_REGISTRY": registry.host})
        context = write_context(tmp_path / "context", "FROM scratch\nCOPY Dockerfile /\n")
        for arguments in (("build", "-d", f"{registry.host}/app:1", context), ("pull", f"{registry.host}/app:1")):
            done = masu(*arguments)
            assert done.returncode == 0, done.stderr
