from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from builder.errors import BuilderError
from builder.trust import Trust
from tests.support.certificates import Identity, make_identity


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return make_identity(tmp_path)


def trusted(context: ssl.SSLContext, identity: Identity) -> bool:
    """Whether a handshake with a server of this identity succeeds, in memory."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(identity.certificate_path, identity.key_path)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(down, up, server_hostname="127.0.0.1")
    server = server_context.wrap_bio(up, down, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError:
            return False
    return True


def test_a_stranger_is_not_trusted(identity: Identity) -> None:
    assert not trusted(Trust.of({}).context(), identity)


def test_the_file_and_every_directory_of_the_environment_are_trusted(tmp_path: Path, identity: Identity) -> None:
    (tmp_path / "ours").mkdir()
    shutil.copy(identity.certificate_path, tmp_path / "ours/additional-ca-cert-bundle.crt")
    assert trusted(Trust.of({"SSL_CERT_FILE": str(identity.certificate_path)}).context(), identity)
    assert trusted(Trust.of({"SSL_CERT_DIR": f"{tmp_path}/none:{tmp_path}/ours"}).context(), identity)


def test_a_further_file_is_trusted(identity: Identity) -> None:
    assert trusted(Trust.of({"SSL_CERT_DIR": "/nowhere"}).context(identity.certificate_path), identity)


@pytest.fixture
def hashed(tmp_path: Path, identity: Identity) -> Path:
    """A directory as `openssl rehash` and Debian leave it: the certificate, a link to it by its hash, and a list of all."""
    if shutil.which("openssl") is None:
        pytest.skip("not installed: openssl")
    directory = tmp_path / "hashed"
    directory.mkdir()
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(identity.certificate_path)]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    shutil.copy(identity.certificate_path, directory / "masu.pem")
    (directory / f"{name}.0").symlink_to("masu.pem")
    (directory / "all.crt").write_bytes(identity.certificate_path.read_bytes().replace(b"\n", b"\r\n"))
    return directory


@pytest.fixture
def other(tmp_path: Path) -> Identity:
    (tmp_path / "other").mkdir()
    return make_identity(tmp_path / "other", name="other")


def test_of_a_directory_with_hashed_names_nothing_is_read_before_it_is_needed(
    hashed: Path, identity: Identity, other: Identity
) -> None:
    context = Trust.of({"SSL_CERT_FILE": str(other.certificate_path), "SSL_CERT_DIR": str(hashed)}).context()
    assert len(context.get_ca_certs()) == 1
    assert trusted(context, identity)


def test_what_was_put_beside_hashed_names_is_trusted(
    hashed: Path, identity: Identity, other: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(other.certificate_path, hashed / "additional-ca-cert-bundle.crt")
    (hashed / "README").write_text("no certificate\n")
    (hashed / "gone.pem").symlink_to("nowhere")
    context = Trust.of({"SSL_CERT_DIR": str(hashed)}).context()
    assert trusted(context, identity)
    assert trusted(context, other)
    assert not caplog.text


def test_what_is_no_certificate_is_passed_over_in_a_directory(
    tmp_path: Path, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some/a.txt").write_text("no certificate\n")
    shutil.copy(identity.certificate_path, tmp_path / "some/b.crt")
    assert trusted(Trust.of({"SSL_CERT_DIR": f"{tmp_path}/some"}).context(), identity)
    assert "a.txt" in caplog.text


def test_all_certificates_can_be_had_in_one_file(tmp_path: Path, identity: Identity) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some/a.txt").write_text("no certificate\n")
    (tmp_path / "other").mkdir()
    other = make_identity(tmp_path / "other", name="other")
    shutil.copy(other.certificate_path, tmp_path / "some/b.crt")
    trust = Trust.of({"SSL_CERT_FILE": str(identity.certificate_path), "SSL_CERT_DIR": f"{tmp_path}/none:{tmp_path}/some"})
    with trust.bundle() as file:
        context = ssl.create_default_context(cafile=f"/proc/self/fd/{file.fileno()}")
    assert len(context.get_ca_certs()) == 2
    assert trusted(context, identity)
    assert trusted(context, other)


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BuilderError, match="missing"):
        Trust.of({"SSL_CERT_FILE": f"{tmp_path}/missing"}).context()
    assert os.listdir(tmp_path) == []
