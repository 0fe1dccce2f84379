from __future__ import annotations

import pytest

from builder.errors import ImageError
from builder.image.reference import Reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("debian", "docker.io/library/debian:latest"),
        ("debian:12", "docker.io/library/debian:12"),
        ("user/app", "docker.io/user/app:latest"),
        ("docker.io/debian", "docker.io/library/debian:latest"),
        ("index.docker.io/library/debian:12", "docker.io/library/debian:12"),
        ("registry-1.docker.io/user/app", "docker.io/user/app:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b:c"),
        ("ghcr.io/o/r", "ghcr.io/o/r:latest"),
        ("127.0.0.1:80/x", "127.0.0.1:80/x:latest"),
        ("[::1]:5000/x:1", "[::1]:5000/x:1"),
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}"),
        (f"gcr.io/p/i:t@{DIGEST}", f"gcr.io/p/i:t@{DIGEST}"),
        ("a/b__c/d-e.f", "docker.io/a/b__c/d-e.f:latest"),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(text: str, full: str) -> None:
    assert str(Reference.parse(text)) == full


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "repository path"),
        ("Debian", "repository path"),
        ("debian:", "tag"),
        ("debian:a b", "tag"),
        ("debian:" + "x" * 129, "tag"),
        ("debian@sha256:12", "digest"),
        ("debian@md5:" + "a" * 32, "digest"),
        ("a//b", "repository path"),
        ("ghcr.io/", "repository path"),
        ("bad_host.example:x/y", "host"),
        ("x/" + "y" * 300, "repository path"),
        ("../etc/passwd", "host"),
    ],
)
def test_a_malformed_reference_says_what_is_wrong(text: str, what: str) -> None:
    with pytest.raises(ImageError, match=what):
        Reference.parse(text)


@pytest.mark.parametrize("text", ["gcr.io/p/app:", "", "/app:1", "gcr.io//app:1", "gcr.io/:1"])
def test_what_is_empty_is_mostly_a_variable_that_is(text: str) -> None:
    with pytest.raises(ImageError) as caught:
        Reference.parse(text)
    assert "is a variable empty" in caught.value.hint


def test_a_reference_with_a_scheme_is_told_that_it_has_none() -> None:
    with pytest.raises(ImageError) as caught:
        Reference.parse("https://gcr.io/p/app:1")
    assert "no scheme" in caught.value.hint


def test_familiar_leaves_out_what_docker_leaves_out() -> None:
    assert Reference.parse("docker.io/library/debian:12").familiar == "debian:12"
    assert Reference.parse("docker.io/user/app").familiar == "user/app:latest"
    assert Reference.parse("ghcr.io/o/r:1").familiar == "ghcr.io/o/r:1"


def test_a_digest_wins_over_a_tag_as_name() -> None:
    assert Reference.parse(f"debian:12@{DIGEST}").name == DIGEST
    assert Reference.parse("debian:12").name == "12"
