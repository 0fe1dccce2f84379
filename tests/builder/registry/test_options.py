from __future__ import annotations

import pytest

from builder.registry.failure import Asked, failure
from builder.registry.options import RegistryOptions
from builder.web import proxies_of, retry_after
from tests.builder.registry.support import remote
from tests.support.faults import Fault, serve_faults
from tests.support.registry import RunningRegistry


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("reg.example", "", False), ("reg.example", "*", True), ("reg.example:5000", "reg.example", True),
        ("a.reg.example", ".reg.example", True), ("a.reg.example", "reg.example", True), ("a.reg.example", "*.reg.example", True),
        ("evilreg.example", "reg.example", False), ("10.1.2.3:5000", "10.0.0.0/8, x", True), ("11.1.2.3", "10.0.0.0/8", False),
        ("localhost:5000", "", True), ("127.0.0.1:5000", "", True), ("[::1]:5000", "", True), ("localhost.evil.test", "", False),
        ("reg.example", "reg.example:443", True), ("reg.example:5000", "reg.example:443", False),
        ("reg.example", "reg.example:80", False), ("reg.example:5000", "reg.example:5000", True),
        ("a.reg.example:5000", ".reg.example:5000", True), ("a.reg.example", "reg.example:5000", False),
        ("10.1.2.3:5000", "10.1.2.3", True), ("10.1.2.3:5000", "10.1.2.3:443", False), ("[fd00::1]:5000", "fd00::1", True),
        ("[fd00::1]:5000", "[fd00::1]", True), ("[fd00::1]", "[fd00::1]:443", True), ("[fd00::1]:5000", "[fd00::1]:443", False),
        ("[fd00::1]", "fd00:0::1", True), ("[fd00::1]", "fd00::/8", True), ("[fd00::1]", "fe80::/16,10.0.0.0/8", False),
        ("[0:0::1]", "", True), ("reg.example", ". *. : :443 [] /8", False),
    ],
)  # fmt: skip
def test_no_proxy_names_who_is_reached_directly(host: str, no_proxy: str, direct: bool) -> None:
    options = RegistryOptions(proxies=proxies_of({"https_proxy": "proxy.example:3128", "NO_PROXY": no_proxy}))
    assert options.proxies_for(f"https://{host}/v2/") == ({} if direct else {"https": "http://proxy.example:3128"})


def test_requests_go_through_the_proxy(registry: RunningRegistry) -> None:
    body = b'{"schemaVersion": 2, "layers": [], "config": {}}'
    with serve_faults(
        registry.host, Fault(where="/v2/$", status=200), Fault(where="/manifests/", status=200, body=body)
    ) as proxy:
        options = RegistryOptions(insecure_pull=True, proxies={"http": f"http://{proxy.host}", "https": f"http://{proxy.host}"})
        remote("registry.example", "through", options=options).resolve("1")
        assert [item.what for item in proxy.matching("^GET")] == [
            "GET http://registry.example/v2/",
            "GET http://registry.example/v2/through/manifests/1",
        ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5.0), ("", None), ("-1", None), ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0), ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0)],
)
def test_retry_after_has_two_forms(text: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": text}, now=60.0) == seconds


def test_github_packages_get_a_hint_of_their_own() -> None:
    asked = Asked(host="ghcr.io", path="ann/app", push=True, username="ann")
    error = failure("POST", "https://ghcr.io/v2/ann/app/blobs/uploads/", 403, b'{"errors":[{"code":"DENIED"}]}', asked)
    assert "packages: write" in error.hint


def test_an_error_shows_neither_query_nor_user_nor_control_characters() -> None:
    asked = Asked(host="r.example", path="a", push=False)
    body = b'{"errors": [{"code": "UNKNOWN", "message": "a\\u001b[31m\\nb"}]}'
    error = failure("GET", "https://ann:pw@r.example/v2/a?sig=secret#x", 418, body, asked)
    assert error.message == "GET https://r.example/v2/a: 418 UNKNOWN: a [31m b"
