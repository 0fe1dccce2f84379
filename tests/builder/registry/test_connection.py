"""Requests as they go over connections, which of these are used again, and what is told when they break."""

from __future__ import annotations

import gc
import socket
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from builder.errors import RegistryError
from builder.registry.failure import Asked
from builder.registry.options import RegistryOptions
from builder.registry.request import Body
from builder.registry.wire import Answer, Exchange, Wire
from builder.retry import Transient
from builder.trust import Trust
from tests.support.certificates import Identity, make_identity
from tests.support.everywhere import Reply, serve_everywhere
from tests.support.registry import free_port
from tests.support.scripted import Say, serve_script
from tests.support.tls_relay import serve_tls

ASKED = Asked(host="r.example", path="a", push=False)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LARGE = 32 << 20


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"), hosts=["r.example"])


def send(wire: Wire, url: str, method: str = "GET", *, verify: bool = True, **details: object) -> Answer:
    return wire.send(
        Exchange(method=method, url=url, asked=ASKED, **details),  # type: ignore[arg-type]
        more={},
        verify=verify,
    )


def asked(wire: Wire, url: str, method: str = "GET", *, verify: bool = True, **details: object) -> tuple[int, bytes]:
    with send(wire, url, method, verify=verify, **details) as answer:
        return answer.status, answer.read_all(1000)


def trusting(identity: Identity, proxies: Mapping[str, str]) -> Wire:
    trust = Trust(file=str(identity.certificate_path), directories=("/nowhere",))
    return Wire(RegistryOptions(trust=trust, proxies=proxies))


class Pieces:
    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[memoryview]:
        return map(memoryview, self._pieces)


class Sized(Pieces):
    def __len__(self) -> int:
        return sum(map(len, self._pieces))


@pytest.mark.parametrize(
    ("method", "body", "sent"),
    [
        ("GET", None, b""),
        ("PUT", None, b"Content-Length: 0\r\n|"),
        ("POST", b"", b"Content-Length: 0\r\n|"),
        ("PUT", b"hello", b"Content-Length: 5\r\n|hello"),
        ("PUT", Sized(b"hel", b"lo"), b"Content-Length: 5\r\n|hello"),
        ("PATCH", Pieces(b"hel", b"", b"lo"), b"Transfer-Encoding: chunked\r\n|3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
    ],
)
def test_requests_say_how_long_they_are(method: str, body: bytes | Body | None, sent: bytes) -> None:
    with serve_script([Say(what=OK)]) as server:
        wire = Wire(RegistryOptions(user_agent="masu/1"))
        assert asked(wire, f"http://{server.host}/v2/?a=%2f#x", method, body=body, headers={"A": "b"}) == (200, b"ok")
        head = (
            f"{method} /v2/?a=%2f HTTP/1.1\r\nHost: {server.host}\r\nUser-Agent: masu/1\r\nAccept-Encoding: identity\r\nA: b\r\n"
        )
        framing, _, data = sent.partition(b"|")
        assert server.heard == [[head.encode() + framing + b"\r\n" + data]]


def test_an_ipv6_address_is_reached() -> None:
    try:
        with serve_script([Say(what=OK)], address="::1") as server:
            assert asked(Wire(RegistryOptions()), f"http://{server.host}/") == (200, b"ok")
            assert f"\r\nHost: {server.host}\r\n".encode() in server.heard[0][0]
    except OSError as error:
        pytest.skip(f"no IPv6: {error}")


def test_a_connection_is_used_again_when_its_answer_has_been_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    with serve_script([Say(what=OK), Say(what=chunked), Say(what=empty), Say(what=OK)]) as server:
        wire = Wire(RegistryOptions())
        url = f"http://{server.host}/"
        assert [asked(wire, url) for _ in range(3)] == [(200, b"ok"), (200, b"ok"), (204, b"")]
        with send(wire, url):
            pass  # so little is read when nobody wants it
        assert len(server.heard) == 1
        assert server.closed.empty()
        del wire
        gc.collect()
        assert server.closed.get(timeout=10) == 0


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9999999\r\nok",
    ],
)
def test_a_connection_is_closed_when_its_answer_says_so_or_has_not_been_read(first: bytes) -> None:
    with serve_script([Say(what=first)], [Say(what=OK)]) as server:
        wire = Wire(RegistryOptions())
        url = f"http://{server.host}/"
        with send(wire, url) as answer:
            assert answer.read(2) == b"ok"
        assert server.closed.get(timeout=10) == 0
        assert asked(wire, url) == (200, b"ok")


def test_a_connection_that_the_server_has_closed_is_not_used_again() -> None:
    with serve_script([Say(what=OK, close=True)], [Say(what=OK)]) as server:
        wire = Wire(RegistryOptions())
        url = f"http://{server.host}/"
        assert asked(wire, url) == (200, b"ok")
        connection = wire._connections._idle[0].sock
        connection.settimeout(10)
        assert connection.recv(1, socket.MSG_PEEK) == b""  # its end has arrived
        assert asked(wire, url) == (200, b"ok")
        assert [len(heard) for heard in server.heard] == [1, 1]


@pytest.mark.parametrize("secure", [False, True])
def test_what_comes_after_an_answer_is_not_taken_for_the_next(identity: Identity, secure: bool) -> None:
    with serve_script([Say(what=OK), Say(what=OK + OK)], [Say(what=OK)], tls=server_side(identity, secure)) as server:
        wire = Wire(RegistryOptions())
        url = f"http{'s' if secure else ''}://{server.host}/"
        assert [asked(wire, url, verify=False) for _ in range(3)] == [(200, b"ok")] * 3
        assert [len(heard) for heard in server.heard] == [2, 1]


def test_threads_have_a_connection_each_and_few_are_kept() -> None:
    count = 40
    with serve_script(*([Say(what=OK)] * count for _ in range(count))) as server, ThreadPoolExecutor(count) as pool:
        wire = Wire(RegistryOptions())
        url = f"http://{server.host}/"
        answers = list(pool.map(lambda _: send(wire, url), range(count)))
        assert len(server.heard) == count
        for answer in answers:
            assert answer.read_all(10) == b"ok"
        assert len({server.closed.get(timeout=10) for _ in range(count - 32)}) == count - 32
        assert server.closed.empty()
        assert list(pool.map(lambda _: asked(wire, url), range(32))) == [(200, b"ok")] * 32
        assert len(server.heard) == count


def test_an_answer_before_the_end_of_a_body_is_not_lost() -> None:
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
    with serve_script([Say(what=early, interrupted=True, close=True)], [Say(what=OK)]) as server:
        wire = Wire(RegistryOptions())
        url = f"http://{server.host}/"
        assert asked(wire, url, "PUT", body=bytes(LARGE)) == (413, b"no")
        assert asked(wire, url) == (200, b"ok")


@pytest.mark.parametrize("secure", [False, True])
def test_a_body_that_cannot_be_sent_to_its_end_is_an_error_that_may_pass(identity: Identity, secure: bool) -> None:
    with serve_script([Say(interrupted=True, reset=True)], tls=server_side(identity, secure)) as server:
        url = f"http{'s' * secure}://{server.host}/"
        with pytest.raises(Transient, match=rf"PUT {url}: .*(Broken pipe|Connection reset by peer|EOF occurred)"):
            asked(Wire(RegistryOptions()), url, "PUT", verify=False, body=Pieces(bytes(LARGE)))


def server_side(identity: Identity, secure: bool) -> ssl.SSLContext | None:
    if not secure:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate_path, identity.key_path)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def test_no_connection_is_left_open() -> None:
    """Whatever happened to it: in a process of its own, which warns of every socket that nobody has closed."""
    program = textwrap.dedent(
        """
        import gc
        from builder.errors import BuilderError
        from builder.retry import Transient
        from tests.builder.registry.test_connection import LARGE, OK, Pieces, RegistryOptions, Wire, asked, send
        from tests.support.scripted import Say, serve_script

        coded = b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: gzip\\r\\n\\r\\n"
        for say in (Say(what=OK), Say(close=True), Say(reset=True), Say(what=OK[:-1], close=True), Say(what=OK[:-1]),
                    Say(what=OK[:9]), Say(what=coded), Say(interrupted=True, reset=True)):
            with serve_script([say]) as server:
                wire = Wire(RegistryOptions())
                body = Pieces(bytes(LARGE if say.interrupted else 9))
                for scheme in ("http", "https"):
                    try:
                        asked(wire, f"{scheme}://{server.host}/", "PUT", body=body, connect_seconds=0.2, answer_seconds=0.2)
                    except (BuilderError, Transient):
                        pass
                del wire
                gc.collect()
        """
    )
    done = subprocess.run([sys.executable, "-X", "dev", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_body_raises_is_raised_and_ends_the_connection() -> None:
    def body() -> Iterator[memoryview]:
        yield memoryview(b"x")
        raise LookupError("no more")

    with serve_script([Say(what=OK)]) as server:
        with pytest.raises(LookupError, match="no more"):
            send(Wire(RegistryOptions()), f"http://{server.host}/", "PATCH", body=body())
        assert server.closed.get(timeout=10) == 0


def test_tls_says_which_protocol_it_is_for(identity: Identity) -> None:
    with serve_script([Say(what=OK)], tls=server_side(identity, True)) as server:
        wire = Wire(RegistryOptions(certificates={server.host: identity.certificate_path}))
        assert asked(wire, f"https://{server.host}/") == (200, b"ok")
        assert server.protocols == ["http/1.1"]


def test_a_dot_at_the_end_of_a_name_is_not_in_the_certificate(identity: Identity) -> None:
    with serve_everywhere(identity, lambda _: Reply(body=b"content")) as world:
        wire = trusting(identity, {"https": world.proxy})
        assert asked(wire, "https://r.example./x") == (200, b"content")
        assert world.seen[0].headers["host"] == "r.example"
        with pytest.raises(RegistryError, match="CERTIFICATE_VERIFY_FAILED"):
            asked(wire, "https://other.example/x")


@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_is_reached_by_tls_too_and_keeps_its_password(identity: Identity, secure: bool) -> None:
    """In the second case there is TLS within TLS."""
    with (
        serve_everywhere(identity, lambda request: Reply(body=b"content" * 10_000)) as world,
        serve_tls(identity, world.proxy.removeprefix("http://")) as proxy,
    ):
        proxies = dict.fromkeys(("http", "https"), f"https://ann:p%40ss%C3%A9@{proxy}")
        wire = trusting(identity, proxies)
        for _ in range(2):
            with send(wire, f"http{'s' * secure}://r.example/x?y", "PUT", body=bytes(100_000)) as answer:
                assert answer.read_all(1 << 20) == b"content" * 10_000
        first, second = world.seen
        assert (first.scheme, first.host, first.path, len(first.body)) == ("http" + "s" * secure, "r.example", "/x?y", 100_000)
        assert first.headers.get("proxy-authorization") == (None if secure else "Basic YW5uOnBAc3PDqQ==")
        assert second.headers == first.headers


def test_a_proxy_of_another_kind_is_refused_without_its_password() -> None:
    wire = Wire(RegistryOptions(proxies={"https": "socks5://ann:secret@127.0.0.1:1"}))
    with pytest.raises(RegistryError, match=r"can't use the proxy 'socks5://127.0.0.1:1'") as error:
        asked(wire, "https://r.example/")
    assert "secret" not in error.value.message + error.value.hint


@pytest.mark.parametrize(
    ("proxied", "message"),
    [
        ("http", r" by the proxy http://[0-9.:]+: Connection refused"),
        ("https", r" by the proxy https://[0-9.:]+: Connection refused"),
    ],
)
def test_the_way_to_a_proxy_is_told_from_that_behind_it(proxied: str, message: str) -> None:
    wire = Wire(RegistryOptions(proxies={"https": f"{proxied}://127.0.0.1:{free_port()}"}))
    with pytest.raises(Transient, match=rf"GET https://r.example/{message}$"):
        asked(wire, "https://r.example/")


@pytest.mark.parametrize(
    ("say", "message"),
    [
        (Say(close=True), "the server closed the connection without an answer"),
        (Say(reset=True), "Connection reset by peer"),
        (Say(what=OK[:30], close=True), "the connection ended within the head of the answer"),
        (Say(what=b"SSH-2.0-x\r\n", close=True), r"this is no answer of HTTP/1.1: b'SSH-2.0-x\\r\\n'"),
        (Say(what=OK[:-1], close=True), "the answer broke off: the connection ended 1 bytes before the end of the answer"),
        (Say(what=b""), "timed out"),
        (Say(what=OK[:-1]), "the answer broke off: timed out"),
    ],
)
def test_connections_that_break_may_be_whole_another_time(say: Say, message: str) -> None:
    with serve_script([say]) as server:
        url = f"http://{server.host}/"
        with pytest.raises(Transient, match=f"GET {url}: {message}$"):
            asked(Wire(RegistryOptions()), url, answer_seconds=1)


def test_a_host_that_nobody_knows_is_not_tried_again() -> None:
    with pytest.raises(RegistryError, match=r"GET http://r\.invalid/: (Name or service not known|No address)") as error:
        asked(Wire(RegistryOptions()), "http://r.invalid/")
    assert "spelled right" in error.value.hint


def test_a_host_without_tls_and_one_without_a_trusted_certificate_are_told(identity: Identity) -> None:
    with serve_script([Say(what=OK)], tls=server_side(identity, True)) as secure, serve_script([Say(what=OK)]) as plain:
        with pytest.raises(RegistryError, match="CERTIFICATE_VERIFY_FAILED") as error:
            asked(Wire(RegistryOptions()), f"https://{secure.host}/")
        assert "--registry-certificate r.example=FILE" in error.value.hint
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        pool.submit(_answer_plainly, listener)
        with pytest.raises(Transient, match="WRONG_VERSION_NUMBER"):
            asked(Wire(RegistryOptions()), url)
    assert plain.heard == []


def _answer_plainly(listener: socket.socket) -> None:
    with listener.accept()[0] as sock:
        sock.recv(1 << 16)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\x00b", "\N{LATIN SMALL LETTER E WITH BREVE}"])
def test_headers_that_cannot_be_sent_are_not_shown(value: str) -> None:
    with pytest.raises(RegistryError, match="a header has characters that can't be sent") as error:
        asked(Wire(RegistryOptions()), "http://r.example/", headers={"Authorization": f"secret{value}"})
    assert "secret" not in error.value.message + error.value.hint
    assert error.value.__suppress_context__
