"""No driver takes a look-alike for one of its hosts: what a hostile Dockerfile can name in FROM."""

from __future__ import annotations

import pytest

from builder.credentials import DRIVERS, aws, azure, google, may_know
from builder.credentials.hosts import matches, normal

ECR, ACR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "x1234.azurecr.io"
GOOGLES = (
    "gcr.io",
    "eu.gcr.io",
    "europe-west1-docker.pkg.dev",
    "docker.europe-west1.rep.pkg.dev",
    "cloud.google.com",
    "GCR.IO",
    "gcr.io:443",
)
AMAZONS = (
    ECR, ECR.upper(), f"{ECR}:443", "public.ecr.aws", "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
    "123456789012.dkr-ecr.ap-southeast-2.on.aws",
)  # fmt: skip
AZURES = (ACR, "my-registry-a1b2.azurecr.io", "registry.azurecr.cn", "registry.azurecr.us", "Registry.AzureCR.io:443")
LOOK_ALIKES = (
    *(
        "evilgcr.io",
        "gcr.io.evil.test",
        "gcr-io.test",
        "gcrXio",
        "gcr.io:5000",
        "gcr.io:80",
        "gcr.io.",
        ".gcr.io",
        "x..gcr.io",
        "-.gcr.io",
    ),
    *(
        "pkg.dev",
        "evilpkg.dev",
        "a.pkg.dev.evil.test",
        "evilgoogle.com",
        "google.com",
        "a.google.com.evil.test",
        "a/b.gcr.io",
        "x@gcr.io",
    ),
    *("gcr.io\n", "evil.test\ngcr.io", "evil.test/.gcr.io", "evil.test?.gcr.io", "evil.test#.gcr.io", "gcr.io:443:443", "ɡcr.io"),
    *(
        f"{ECR}.evil.test",
        f"evil{ECR}",
        f"{ECR}.",
        f"{ECR}:5000",
        ECR.replace("amazonaws", "amazon-aws"),
        ECR.replace("12.", "123."),
    ),
    *(
        ECR.replace("eu-west-1", "eu-west-1.evil.test"),
        ECR.replace("eu-west-1", "evil"),
        ECR.replace(".com", ".com.cn.evil.test"),
    ),
    *(
        ECR.replace("123456789012", "evil"),
        "x.public.ecr.aws",
        "public.ecr.aws.evil.test",
        "publicXecr.aws",
        "evilpublic.ecr.aws",
    ),
    *(
        "123456789012.dkr-ecr.eu-west-1.on.aws.evil.test",
        "123456789012.dkr.ecr.eu-west-1.on.aws",
        "１23456789012.dkr.ecr.eu-west-1.amazonaws.com",
    ),
    *(
        "x.azurecr.io.evil.test",
        "azurecr.io",
        "evilazurecr.io",
        "a.b1234.azurecr.io",
        f"{ACR}.",
        f"{ACR}:5000",
        "x1234.azurecr.com",
    ),
    *("evil.test:443.azurecr.io", "x1234.azurecr.io:443x", "x1234.azurecr.de.evil.test", "x1234.azurecr.ioo", ""),
)


def owner(host: str) -> list[str]:
    """The drivers that would show a credential to this host."""
    patterns = {
        "google": (google.HOSTS,),
        "ecr": (aws.HOSTS, aws.DUAL_STACK_HOSTS, aws.PUBLIC_HOSTS),
        "acr": (azure.HOSTS,),
    }
    return [name for name, options in patterns.items() if any(matches(pattern, host) for pattern in options)]


@pytest.mark.parametrize(("hosts", "name"), [(GOOGLES, "google"), (AMAZONS, "ecr"), (AZURES, "acr")])
def test_a_clouds_own_hosts_are_its_own_alone(hosts: tuple[str, ...], name: str) -> None:
    assert {host: owner(host) for host in hosts} == {host: [name] for host in hosts}
    assert all(may_know(name, host) for host in hosts)


def test_other_hosts_load_no_clouds_driver() -> None:
    hosts = ("docker.io", "ghcr.io", "127.0.0.1:5000", "registry.gitlab.com")
    assert [name for name in DRIVERS if any(may_know(name, host) for host in hosts)] == ["default", "env", "gitlab"]


def test_look_alikes_are_nobodys() -> None:
    assert {host: owner(host) for host in LOOK_ALIKES if owner(host)} == {}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("R.Example", "r.example"),
        ("r.example:443", "r.example"),
        ("r.example:5000", "r.example:5000"),
        ("index.docker.io", "docker.io"),
    ],
)
def test_a_host_has_one_spelling(host: str, expected: str) -> None:
    assert normal(host) == expected
