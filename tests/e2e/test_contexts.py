"""Every form of build context gives the directory's image: real stores and servers, under their real names, by TLS."""

from __future__ import annotations

import bz2
import datetime
import functools
import gzip
import io
import json
import lzma
import random
import re
import shutil
import subprocess
import tarfile
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import zstandard

from tests.support.answers import Answer, Question, serve_answers
from tests.support.certificates import make_identity
from tests.support.faults import Fault, FaultyProxy, serve_faults
from tests.support.masu import Masu, write_context
from tests.support.moto import serve_moto
from tests.support.network import METADATA, Network, environment, open_network
from tests.support.smart_git import AWAY, SmartGit, serve_smart_git
from tests.support.stores import ACCOUNT, KEY, has_azurite, serve_azurite, serve_gcs
from tests.support.zygote import Ended, Zygote, start_zygote

EPOCH = "1000000000"
BLOBS = f"{ACCOUNT}.blob.core.windows.net"
GCS, S3, WEB, GIT = "storage.googleapis.com", "bucket.s3.eu-west-1.amazonaws.com", "files.example.test", "git.example.test"
GCS_PORT, S3_PORT = 9023, 9024  # the stores once more, without TLS, under addresses as emulators have them
AWS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-of-aws", "AWS_REGION": "eu-west-1"}
IDENTITIES, LOGIN = "identities.blob.core.usgovcloudapi.net", "login.microsoftonline.us"
ENTRA = {"AZURE_CLIENT_ID": "client", "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_SECRET": "secret-of-azure"}
NOBODYS = "/etc/ssl/certs/ca-certificates.crt"
STS = "sts.eu-west-1.amazonaws.com"
WEB_IDENTITY = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/builder", "AWS_REGION": "eu-west-1"}
NO_AWS = {"AWS_EC2_METADATA_DISABLED": "true"}
LOGINS = frozenset({"user:git-password", "the-git-token:"})
DOCKERFILE = "FROM scratch\nCOPY . /all/\n"
FILES: Mapping[str, str | bytes] = {"sub/Dockerfile": DOCKERFILE, "sub/x": "x\n", "skip": "skipped\n", ".dockerignore": "skip\n"}
LARGE = random.Random(1).randbytes(20 << 20)
COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": lambda data: gzip.compress(data, 1, mtime=0),
    "tar.bz2": lambda data: bz2.compress(data, 1),
    "tar.xz": lambda data: lzma.compress(data, preset=0),
    "tar.zst": lambda data: zstandard.ZstdCompressor(level=1).compress(data),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`proxies` by host, behind each the real server; `sas` is a signature for the large blob."""

    zygote: Zygote
    network: Network
    env: Mapping[str, str]
    directory: Path
    proxies: Mapping[str, FaultyProxy]
    git: SmartGit
    sas: str

    def build(self, *arguments: str | Path, env: Mapping[str, str] | None = None, input: bytes | None = None) -> Ended:
        if BLOBS not in self.proxies and any(BLOBS in str(argument) for argument in arguments):
            pytest.skip("azurite is not installed: run scripts/install-test-tools")
        (self.directory / "digest").unlink(missing_ok=True)
        (self.directory / "stdin").write_bytes(input or b"")
        argv = ["build", "--no-push", f"--digest-file={self.directory}/digest", *map(str, arguments)]
        return self.zygote(argv, env={**self.env, **(env or {})}, cwd=self.directory, stdin=self.directory / "stdin")

    def digest(self, *arguments: str | Path, env: Mapping[str, str] | None = None, input: bytes | None = None) -> str:
        done = self.build(*arguments, env=env, input=input)
        assert done.code == 0, done.stderr
        return (self.directory / "digest").read_text()

    def archive(self, ending: str) -> bytes:
        return (self.directory / f"served/context.{ending}").read_bytes()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("world")
    context = write_context(directory / "context", DOCKERFILE, FILES)
    write_context(directory / "large", DOCKERFILE, {"large": LARGE})
    served = make_archives(directory)
    with ExitStack() as stack:
        upstreams = {GCS: serve_gcs(directory), S3: serve_moto(directory), WEB: serve_files(served)}
        upstreams |= {BLOBS: serve_azurite(directory)} if has_azurite() else {}
        proxies = {host: stack.enter_context(serve_faults(stack.enter_context(each))) for host, each in upstreams.items()}
        fill(served, gcs=proxies[GCS].upstream, s3=proxies[S3].upstream)
        sas = fill_azurite(served, proxies[BLOBS].upstream) if BLOBS in proxies else ""
        metadata = stack.enter_context(serve_answers(google_machine))
        azure = stack.enter_context(serve_answers(functools.partial(azure_with_identities, served / "context.tar")))
        git = stack.enter_context(serve_smart_git(directory / "git", context, logins=LOGINS))
        routes = {host: proxy.host for host, proxy in proxies.items()}
        routes[STS] = proxies[S3].upstream
        routes |= {GIT: git.host, AWAY: git.host, IDENTITIES: azure.host, LOGIN: azure.host}
        identity = make_identity(directory, hosts=list(routes))
        network = stack.enter_context(open_network(hosts=routes))
        network.forward_tls("127.0.0.1", 443, identity, to=routes)
        network.forward(METADATA, 80, to=metadata.host)
        network.forward("127.0.0.1", GCS_PORT, to=proxies[GCS].host)
        network.forward("127.0.0.1", S3_PORT, to=proxies[S3].host)
        zygote = stack.enter_context(start_zygote(directory, enter=network.argv))
        masu = Masu(state=directory / "state", env={"SOURCE_DATE_EPOCH": EPOCH})
        env = {**environment(masu.environment(), identity), "HOME": str(make_home(directory))}
        yield World(zygote=zygote, network=network, env=env, directory=directory, proxies=proxies, git=git, sas=sas)


def make_home(directory: Path) -> Path:
    """With logins of old that nobody may use."""
    home = directory / "home"
    home.mkdir()
    hosts = (GCS, S3, BLOBS, STS, WEB, GIT, AWAY, IDENTITIES, LOGIN, METADATA, "127.0.0.1")
    (home / ".netrc").write_text("".join(f"machine {host} login user password stale\n" for host in hosts))
    (home / ".netrc").chmod(0o600)
    return home


def make_archives(directory: Path) -> Path:
    """`context.*` in every compression, and `large.tar.gz`."""
    served = directory / "served"
    served.mkdir()
    (directory / "token").write_text("a.web.identity")
    plain = archive_of(directory / "context")
    for ending, compress in COMPRESSIONS.items():
        (served / f"context.{ending}").write_bytes(compress(plain))
    (served / "large.tar.gz").write_bytes(gzip.compress(archive_of(directory / "large"), 1, mtime=0))
    return served


def archive_of(directory: Path) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(directory, ".", filter=lambda item: item.replace(uid=0, gid=0, uname="", gname="", deep=False))
    return data.getvalue()


def fill(served: Path, *, gcs: str, s3: str) -> None:
    """Put the archives into the stores."""
    put(f"http://{gcs}/storage/v1/b?project=p", json.dumps({"name": "bucket"}).encode(), "POST")
    put(f"http://{s3}/bucket", b"")
    put(f"http://{gcs}/upload/storage/v1/b/bucket/o?uploadType=media&name=Dockerfile", b"FROM scratch\n", "POST")
    for file in served.iterdir():
        data = file.read_bytes()
        put(f"http://{gcs}/upload/storage/v1/b/bucket/o?uploadType=media&name={file.name}", data, "POST")
        put(f"http://{s3}/bucket/{file.name}", data)


def fill_azurite(served: Path, host: str) -> str:
    """Put them into a private container and a public one; returns a signature for the private blob of the large one."""
    from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas

    account = BlobServiceClient(f"http://{host}/{ACCOUNT}", credential=KEY)
    for container, access in (("private", None), ("public", "blob")):
        account.create_container(container, public_access=access)
        for file in served.iterdir():
            account.get_blob_client(container, file.name).upload_blob(file.read_bytes())
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    return generate_blob_sas(
        ACCOUNT, "private", "large.tar.gz", account_key=KEY, permission=BlobSasPermissions(read=True), expiry=end
    )


def put(url: str, data: bytes, method: str = "PUT") -> None:
    kind = "application/json" if data.startswith(b"{") else "application/gzip"
    headers = {"Content-Type": kind, "x-amz-acl": "public-read"}
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method, headers=headers), timeout=30) as answer:
        answer.read()


@contextmanager
def serve_files(directory: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(directory))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def google_machine(question: Question) -> Answer:
    """A metadata server, whose machine has an account."""
    flavor = {"Metadata-Flavor": "Google"}
    if question.path.endswith("/token"):
        return Answer(document={"access_token": "ya29.token", "expires_in": 3600, "token_type": "Bearer"}, headers=flavor)
    if question.path.endswith("/service-accounts/default/"):
        return Answer(document={"email": "a@b", "scopes": [], "aliases": ["default"]}, headers=flavor)
    return Answer(document="ok", headers=flavor, status=200 if question.path == "/" else 404)


def azure_with_identities(archive: Path, question: Question) -> Answer:
    """What azurite can't do without TLS of its own: a government's Entra ID, and a store that knows its tokens."""
    if question.path == "/tenant/oauth2/v2.0/token":
        known = question.fields["client_secret"] == "secret-of-azure" and "storage.azure.com" in question.fields["scope"]
        return Answer(document={"access_token": "entra", "expires_in": 3600}) if known else Answer(status=401)
    if question.headers.get("authorization") != "Bearer entra":
        return Answer(status=403)
    text = archive.read_bytes().decode()
    headers = {"ETag": '"0x1"', "Last-Modified": "Sun, 09 Sep 2001 01:46:40 GMT", "x-ms-blob-type": "BlockBlob"}
    if question.method == "HEAD":
        return Answer(document=text, headers=headers)
    return Answer(document=text, status=206, headers={**headers, "Content-Range": f"bytes 0-{len(text) - 1}/{len(text)}"})


@pytest.fixture(scope="module")
def wanted(world: World) -> str:
    """The digest that the directory's image has."""
    return world.digest("--context", world.directory / "context")


@pytest.fixture(scope="module")
def wanted_whole(world: World) -> str:
    """The same with nothing ignored."""
    (world.directory / "Dockerfile").write_text(DOCKERFILE)
    (world.directory / "Dockerfile.dockerignore").write_text("")
    return world.digest("--context", world.directory / "context", "--dockerfile", world.directory / "Dockerfile")


@pytest.fixture(scope="module")
def wanted_large(world: World) -> str:
    return world.digest("--context", world.directory / "large")


FORMS: Mapping[str, tuple[list[str], Mapping[str, str]]] = {
    "dir": (["--context=dir://@DIRECTORY@/context"], {}),
    "gs-default-object": (["--context=gs://bucket"], {}),
    "gs-object": (["--context=gs://bucket/context.tar.zst"], {}),
    "bucket": (["--bucket=bucket", "--dockerfile=Dockerfile"], {"MASU_CONTEXT": "/workspace"}),
    "bucket-url": (["-b", "s3://bucket/context.tar.xz", "--context=gs://other"], AWS),
    "gs-emulator": (["--context=gs://bucket"], {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{GCS_PORT}"}),
    "s3-virtual-host": (["--context=s3://bucket"], AWS),
    "s3-web-identity": (["--context=s3://bucket"], {**WEB_IDENTITY, "AWS_WEB_IDENTITY_TOKEN_FILE": "@DIRECTORY@/token"}),
    "s3-anonymous": (["--context=s3://bucket/context.tar.bz2"], {**NO_AWS, "AWS_REGION": "eu-west-1"}),
    "s3-endpoint": (
        ["--context=s3://bucket/context.tar"],
        {**AWS, "S3_ENDPOINT": f"http://127.0.0.1:{S3_PORT}", "S3_FORCE_PATH_STYLE": "true"},
    ),
    "azure-key": ([f"--context=https://{BLOBS}/private/context.tar.gz"], {"AZURE_STORAGE_ACCESS_KEY": KEY}),
    "azure-public": ([f"--context=https://{BLOBS}/public/context.tar.gz"], {}),
    "azure-identity": ([f"--context=https://{IDENTITIES}/private/context.tar"], ENTRA),
    "git": ([f"--context=git://{GIT}/public/repo.git"], {}),
    "git-ref": ([f"--context=git://{GIT}/public/repo.git#refs/heads/main"], {}),
    "git-tag": ([f"--context=git://{GIT}/public/repo#v1"], {}),
    "git-commit": ([f"--context=git://{GIT}/public/repo.git#@COMMIT@"], {}),
    "git-ref-commit": ([f"--context=git://{GIT}/private/repo.git#refs/pull/1/head#@COMMIT@"], {"GIT_TOKEN": "the-git-token"}),
    "git-branch": (["--git=branch=v1", "--git=single-branch=true", f"--context=git://{GIT}/public/repo.git"], {}),
    "git-depth": (["--git=depth=0", f"--context=git://{GIT}/public/repo.git"], {}),
    "git-password": ([f"--context=git://user:git-password@{GIT}/private/repo.git"], {}),
    "git-token": ([f"--context=git://the-git-token@{GIT}/private/repo.git"], {}),
    "git-env": ([f"--context=git://{GIT}/private/repo.git"], {"GIT_USERNAME": "user", "GIT_PASSWORD": "git-password"}),
    "git-moved": ([f"--context=git://{GIT}/moved/repo.git"], {"GIT_TOKEN": "the-git-token"}),
}  # fmt: skip


# docker's own forms: it ignores nothing of what isn't a directory.
WHOLE: Mapping[str, tuple[list[str], Mapping[str, str]]] = {
    "https": ([f"https://{WEB}/context.tar.gz"], {}),
    "https-xz": ([f"--context=https://{WEB}/context.tar.xz"], {}),
    "https-git": ([f"https://{GIT}/public/repo.git#main"], {}),
    "https-git-token": ([f"--context=https://{GIT}/private/repo.git"], {"GIT_TOKEN": "the-git-token"}),
    "http-git": ([f"--context=git://{GIT}/public/repo.git", "--dockerfile=@DIRECTORY@/Dockerfile"], {}),
    "gs": (["--context=gs://bucket", "--dockerfile=@DIRECTORY@/Dockerfile"], {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_directorys_image(form: str, world: World, wanted: str) -> None:
    arguments, env = FORMS[form]
    given = dict(zip(env, filled_in(list(env.values()), world), strict=True))
    assert world.digest(*filled_in(arguments, world), env=given) == wanted


@pytest.mark.parametrize("form", WHOLE)
def test_nothing_is_ignored_of_dockers_forms_or_with_an_empty_ignore_file(form: str, world: World, wanted_whole: str) -> None:
    assert world.digest(*filled_in(WHOLE[form][0], world), env=WHOLE[form][1]) == wanted_whole


def filled_in(arguments: list[str], world: World) -> list[str]:
    values = {"@DIRECTORY@": str(world.directory), "@COMMIT@": world.git.commit("main")}
    return [re.sub("@[A-Z]+@", lambda match: values[match[0]], text) for text in arguments]


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_archives_of_this_machine_and_of_standard_input(ending: str, world: World, wanted: str, wanted_whole: str) -> None:
    assert world.digest(f"--context=tar://{world.directory}/served/context.{ending}") == wanted
    if ending == "tar.gz":
        assert world.digest("--context=tar://stdin", input=world.archive(ending)) == wanted
    elif ending != "tar.bz2":
        assert world.digest("-", input=world.archive(ending)) == wanted_whole


@pytest.mark.parametrize(
    "context", ["@DIRECTORY@/context", "dir://@DIRECTORY@/context", "gs://bucket", f"git://{GIT}/public/repo.git#dev"]
)
def test_a_directory_below_takes_the_contexts_place(context: str, world: World) -> None:
    wanted = world.digest(world.directory / "context/sub")
    (place,) = filled_in([context], world)
    assert world.digest(f"--context={place}", "--context-sub-path=sub") == wanted


@pytest.mark.parametrize(
    ("host", "arguments", "env"),
    [
        (GCS, ["gs://bucket/large.tar.gz"], {}),
        (S3, ["s3://bucket/large.tar.gz"], AWS),
        (BLOBS, [f"https://{BLOBS}/private/large.tar.gz"], {"AZURE_STORAGE_ACCESS_KEY": KEY}),
        (BLOBS, [f"https://{BLOBS}/private/large.tar.gz?@SAS@"], {}),
        (WEB, [f"https://{WEB}/large.tar.gz"], {}),
    ],
    ids=["gs", "s3", "azure-key", "azure-signature", "https"],
)
def test_a_download_that_breaks_goes_on(
    host: str, arguments: list[str], env: Mapping[str, str], world: World, wanted_large: str
) -> None:
    if host not in world.proxies:
        pytest.skip("azurite is not installed: run scripts/install-test-tools")
    proxy = world.proxies[host]
    broken = Fault(where="^GET .*large", times=1, reset=5 << 20)
    proxy.misbehave(broken, Fault(where="^GET .*large", times=1, status=503, headers={"Retry-After": "0"}))
    digest = world.digest(arguments[0].replace("@SAS@", world.sas), env=env)
    seen = [item.status for item in proxy.matching("^GET .*large")]
    proxy.misbehave()
    assert (digest, 503 in seen, len(seen) > 2) == (wanted_large, True, True)


REFUSED: Mapping[str, tuple[list[str], Mapping[str, str], list[str]]] = {
    "gs": (["--context=gs://bucket/no"], {}, ["can't fetch the build context 'gs://bucket/no': 404", "context.tar.gz"]),
    "gs-forbidden": (["--context=gs://bucket/context.tar"], {}, ["403", "storage.objects.get"]),
    "gs-no-archive": (["--context=gs://bucket/Dockerfile"], {}, ["no tar archive"]),
    "gs-no-account": (["--context=gs://b"], {"GOOGLE_APPLICATION_CREDENTIALS": "/no/such/key"}, ["/no/such/key"]),
    "s3": (["--context=s3://bucket/no"], AWS, ["'s3://bucket/no': 404", "check bucket and key"]),
    "s3-forbidden": (["--context=s3://bucket/context.tar"], AWS, ["403", "s3:GetObject"]),
    "s3-path-style": (["--context=s3://bucket"], {**AWS, "S3_FORCE_PATH_STYLE": "maybe"}, ["S3_FORCE_PATH_STYLE"]),
    "azure": ([f"--context=https://{BLOBS}/private/no"], {"AZURE_STORAGE_ACCESS_KEY": KEY}, ["404", "check account"]),
    "azure-wrong-key": ([f"--context=https://{BLOBS}/private/x"], {"AZURE_STORAGE_ACCESS_KEY": "a2V5"}, ["the key of this"]),
    "azure-no-key": ([f"--context=https://{BLOBS}/private/context.tar"], {}, ["AZURE_STORAGE_ACCESS_KEY"]),
    "git": ([f"--context=git://{GIT}/private/repo.git"], {}, [f"'git://{GIT}/private/repo.git'", "GIT_TOKEN", "GIT_PULL_METHOD"]),
    "git-method": ([f"--context=git://{GIT}/x"], {"GIT_PULL_METHOD": "ftp"}, ["GIT_PULL_METHOD"]),
    "git-option": (["--git=depht=1", "."], {}, ["--git 'depht=1'", "depth=VALUE"]),
    "git-away": ([f"--context=git://{GIT}/away/repo.git"], {"GIT_TOKEN": "secret-of-git"}, [AWAY, "no other host"]),
    "gs-not-trusted": (["--context=gs://bucket"], {"SSL_CERT_FILE": NOBODYS}, ["certificate verify failed", "SSL_CERT_FILE"]),
    "s3-not-trusted": (["--context=s3://bucket"], {**AWS, "SSL_CERT_FILE": NOBODYS}, ["SSL_CERT_FILE"]),
    "azure-not-trusted": (
        [f"--context=https://{BLOBS}/private/x"], {"AZURE_STORAGE_ACCESS_KEY": KEY, "SSL_CERT_FILE": NOBODYS}, ["SSL_CERT_FILE"]
    ),
    "https-not-trusted": ([f"--context=https://{WEB}/x"], {"SSL_CERT_FILE": NOBODYS}, ["SSL_CERT_FILE"]),
    "unknown": (["--context=ftp://x/y"], {}, ["ftp://x/y", "gs://"]),
    "no-file": (["--context=tar:///no/such.tar"], {}, ["there is no file"]),
    "sub-path": (["@DIRECTORY@/context", "--context-sub-path=no"], {}, ["--context-sub-path 'no'", "No such file"]),
    "sub-path-up": (["gs://bucket", "--context-sub-path=sub/../../x"], {}, ["leads out"]),
    "sub-path-of-a-link": (["@DIRECTORY@/linked", "--context-sub-path=out"], {}, ["--context-sub-path 'out'"]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_fetched_is_told_with_what_to_do(name: str, world: World) -> None:
    arguments, env, says = REFUSED[name]
    (world.directory / "linked").mkdir(exist_ok=True)
    if not (world.directory / "linked/out").is_symlink():
        (world.directory / "linked/out").symlink_to(world.directory / "context")
    host, path = {"gs-forbidden": (GCS, "context.tar"), "s3-forbidden": (S3, "context.tar")}.get(name, (GCS, "nothing"))
    world.proxies[host].misbehave(Fault(where=path, status=403))
    world.git.asked.clear()
    done = world.build(*filled_in(arguments, world), env=env)
    world.proxies[host].misbehave()
    assert (done.code, [text for text in says if text not in done.stderr]) == (1, []), done.stderr
    assert not [text for text in (*env.values(), "secret-of-git") if len(text) > 6 and text in done.stderr and "secret" in text]


def test_a_git_token_goes_to_no_other_host(world: World) -> None:
    world.git.asked.clear()
    world.build(f"--context=git://{GIT}/away/repo.git", env={"GIT_TOKEN": "secret-of-git"})
    assert [path for path, user in world.git.asked if user and not path.startswith("/away/")] == []
    assert ("/away/repo.git/info/refs?service=git-upload-pack", "secret-of-git:") in world.git.asked


def test_submodules_are_fetched_with_the_hosts_login_or_left_out(world: World) -> None:
    context = f"--context=git://{GIT}/public/super.git"
    done = world.build(context)
    assert (done.code, "recurse-submodules=false" in done.stderr) == (1, True), done.stderr
    assert world.build(context, env={"GIT_TOKEN": "the-git-token"}).code == 0
    assert world.build(context, "--git=recurse-submodules=false").code == 0


def test_a_self_signed_git_server_is_trusted_only_when_told_so(world: World) -> None:
    env = {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
    context = f"--context=git://{GIT}/public/repo.git"
    assert world.build(context, env=env).code == 1
    assert world.build(context, "--git=insecure-skip-tls=true", env=env).code == 0


def test_credentials_that_a_login_step_has_left_enter_no_image(world: World, tmp_path: Path) -> None:
    write_context(tmp_path / "clean", DOCKERFILE, {"x": "x", "sub/gha-creds-1.json": "one that is the project's own"})
    write_context(tmp_path / "dirty", DOCKERFILE, {"x": "x", "sub/gha-creds-1.json": "one that is the project's own"})
    (tmp_path / "dirty/gha-creds-0123456789abcdef.json").write_text("secret")
    assert world.digest(tmp_path / "dirty") == world.digest(tmp_path / "clean")
    done = world.build(tmp_path / "dirty")
    assert re.search("WARN.*gha-creds-0123456789abcdef.json", done.stderr)
    write_context(tmp_path / "dirty", "FROM scratch\nCOPY gha-creds-0123456789abcdef.json /\n")
    done = world.build(tmp_path / "dirty")
    assert (done.code, "holds credentials that a login step" in done.stderr) == (1, True), done.stderr


def test_the_dockerfile_may_be_a_url_and_a_file_of_this_machine(world: World, wanted_whole: str) -> None:
    (world.directory / "served/far.Dockerfile").write_text(DOCKERFILE)
    url = f"https://{WEB}/far.Dockerfile"
    assert world.digest(f"--context=https://{WEB}/context.tar.gz", "--dockerfile", url) == wanted_whole
    own = world.directory / "Dockerfile"
    assert world.digest(f"--context=https://{WEB}/context.tar.gz", "--dockerfile", own) == wanted_whole


@pytest.fixture(scope="module")
def proxy(world: World) -> Iterator[Path]:
    """The log of a tinyproxy at port 3128 of the world."""
    if shutil.which("tinyproxy") is None:
        pytest.skip("tinyproxy is not installed")
    log, configuration = world.directory / "tinyproxy.log", world.directory / "tinyproxy.conf"
    configuration.write_text(f'Port 3128\nListen 127.0.0.1\nTimeout 30\nLogFile "{log}"\nLogLevel Connect\n')
    with subprocess.Popen(
        world.network.argv(["tinyproxy", "-d", "-c", str(configuration)]), stdout=subprocess.DEVNULL
    ) as process:
        knock = ["bash", "-c", "until echo > /dev/tcp/127.0.0.1/3128; do sleep 0.05; done"]
        world.network.run(knock, env=world.env, timeout=20)
        yield log
        process.kill()


@pytest.mark.parametrize(
    ("context", "env", "host"),
    [
        ("gs://bucket", {}, GCS),
        ("s3://bucket", AWS, S3),
        (f"https://{BLOBS}/private/context.tar.gz", {"AZURE_STORAGE_ACCESS_KEY": KEY}, BLOBS),
        (f"https://{BLOBS}/public/context.tar.gz", {}, BLOBS),
        (f"git://{GIT}/private/repo.git", {"GIT_TOKEN": "the-git-token"}, GIT),
    ],
    ids=["gs", "s3", "azure", "https", "git"],
)
def test_every_client_goes_through_the_proxy(
    context: str, env: Mapping[str, str], host: str, world: World, proxy: Path, wanted: str
) -> None:
    before = proxy.read_text()
    assert world.digest(f"--context={context}", env={**env, "HTTPS_PROXY": "http://127.0.0.1:3128"}) == wanted
    assert f"CONNECT {host}:443" in proxy.read_text().removeprefix(before)
