from __future__ import annotations

import pytest

from builder.errors import RegistryError
from builder.registry.address import origin, parsed


@pytest.mark.parametrize(
    ("url", "authority", "port", "target"),
    [
        ("https://r.example/v2/", "r.example", 443, "/v2/"),
        ("HTTPS://R.Example:443/v2/", "r.example", 443, "/v2/"),
        ("http://r.example:0080", "r.example", 80, "/"),
        ("http://r.example:/", "r.example", 80, "/"),
        ("http://r.example:8080?a=b#c", "r.example:8080", 8080, "/?a=b"),
        ("https://r.example./x", "r.example", 443, "/x"),
        ("http://[FE80::1]:5000/x", "[fe80::1]:5000", 5000, "/x"),
        ("http://2130706433:1/x", "2130706433:1", 1, "/x"),
        ("https://my_registry/a/../%2e%2f%aB?_state=a==&x=a/b?c:@d", "my_registry", 443, "/a/../%2e%2f%aB?_state=a==&x=a/b?c:@d"),
    ],
)
def test_a_url_says_where_it_leads_and_what_is_asked_there(url: str, authority: str, port: int, target: str) -> None:
    place, asked = parsed(url)
    assert (place.authority, place.port, asked) == (authority, port, target)


def test_names_are_as_certificates_have_them() -> None:
    assert [origin(f"https://{host}/").name for host in ("R.example.", "[::1]:5000", "10.0.0.1")] == [
        "r.example",
        "::1",
        "10.0.0.1",
    ]


@pytest.mark.parametrize("other", ["https://r.example./", "https://r.example:8443/", "http://r.example/", "https://x.r.example/"])
def test_what_differs_is_another_origin(other: str) -> None:
    assert origin("https://r.example/a") != origin(other)
    assert origin("https://r.example/a") == origin("https://R.example:443/b?c")


@pytest.mark.parametrize(
    "url",
    [
        "", "r.example", "r.example/x", "//r.example/x", "https:r.example", "https://", "https:///x", "https://:443/", "https://./",
        "https://.r.example/", "https://r..example/", f"https://{'a' * 64}/", f"https://{'a' * 60_000}", "https://r.example:x/",
        "https://r.example:65536/", "https://r.example:999999/", "https://[::1/", "https://[::1]x/", "https://[::1%25eth0]/",
        "https://[g]/", "https://r%2eexample/", "https://r.example;x/", "https://a,b/", "unix:/x", "javascript:x", "1://r/",
        "https://r.example\x00/",
        "https://\N{LATIN SMALL LETTER LONG S}.example/", "https://r.example:\N{ARABIC-INDIC DIGIT FIVE}/",
    ],
)  # fmt: skip
def test_urls_that_mean_nothing_are_refused(url: str) -> None:
    with pytest.raises(RegistryError, match="malformed URL"):
        parsed(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://a@r.example/", "https://a:secret@r.example/", "https://@r.example/", "https://x@y@r.example/",
        "https://r.example/a b", "https://r.example/\\x", "https://a\\@r.example/", "https://r.example/x\t",
        "https://r.example/\N{LATIN SMALL LETTER E WITH ACUTE}",
    ],
)  # fmt: skip
def test_urls_that_may_be_read_in_two_ways_are_refused_without_a_password(url: str) -> None:
    with pytest.raises(RegistryError, match="more than one way") as error:
        parsed(url)
    assert "secret" not in error.value.message
