"""Images, indexes and token answers that mean harm."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.hostile.registry import INDEX, LAYER, MANIFEST, Evil, described, digest, image
from tests.hostile.tars import header
from tests.support.tree import make_tar, member

FILE = make_tar((member("x"), b"x"))
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def _named(name: str) -> Evil:
    return image([FILE], layers=[{"mediaType": LAYER, "digest": name, "size": 1}])


def _with_blob(data: bytes | None) -> Evil:
    """The layer has these bytes, or isn't there."""
    case = image([FILE])
    others = {key: blob for key, blob in case.blobs.items() if key != digest(FILE)}
    return replace(case, blobs=others if data is None else {**others, digest(FILE): data})


def _from(url: str) -> Evil:
    layer = make_tar((member("from"), url.encode()))
    return image([layer], layers=[described(LAYER, layer, urls=[url])])


def _many_platforms(count: int) -> Evil:
    return _index(*[described(MANIFEST, b"x", platform={"os": "linux", "architecture": f"a{n}"}) for n in range(count)])


def _text(members: str) -> Evil:
    """A config as text."""
    rootfs = f'"rootfs":{{"diff_ids":["{digest(FILE)}"]}}'
    return image([FILE], f'{{"os":"linux","architecture":"amd64",{members},{rootfs}}}'.encode())


def _index(*manifests: Any, **more: Any) -> Evil:
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests), **more}
    return Evil(manifest=json.dumps(document).encode(), media_type=INDEX)


def _circle() -> Evil:
    """Indexes of indexes, each as far as a digest lets one be made: the last one names the first by a wrong digest."""
    inner = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    documents = {}
    for _ in range(50):
        documents[digest(inner)] = (INDEX, inner)
        platform = {"os": "linux", "architecture": "amd64"}
        inner = json.dumps(
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": [described(INDEX, inner, platform=platform)]}
        ).encode()
    return Evil(manifest=inner, media_type=INDEX, documents=documents)


def _without_platform() -> Evil:
    return _index(described(MANIFEST, b"x", platform={"os": "plan9", "architecture": "pdp11"}))


def _layers(count: int) -> Evil:
    return image([FILE] * count)


def _sized(size: Any) -> Evil:
    case = image([FILE])
    return replace(case, manifest=case.manifest.replace(f'"size": {len(FILE)}'.encode(), f'"size": {size}'.encode()))


def _token(answer: bytes, **more: Any) -> Evil:
    return replace(image([FILE]), token=answer, **more)


def _config(**config: Any) -> Evil:
    return image([FILE], config)


# Name → what the registry answers, and a part of what masu says; an empty text: it may be taken, for it does no harm.
IMAGES: Mapping[str, tuple[Callable[[], Evil], str]] = {
    "no-json": (lambda: Evil(manifest=b"<html>"), "not JSON"),
    "empty": (lambda: Evil(manifest=b""), "not JSON"),
    "deep-json": (lambda: Evil(manifest=b"[" * 200_000), "not JSON"),
    "deep-object": (lambda: Evil(manifest=b'{"a":' * 200_000 + b"1" + b"}" * 200_000), "not JSON"),
    "hundred-megabytes": (lambda: Evil(manifest=b'{"a":"' + b"x" * (100 << 20) + b'"}'), "error"),
    "huge-number": (lambda: Evil(manifest=b'{"schemaVersion":' + b"9" * 100_000 + b"}"), "not JSON"),
    "nan": (lambda: Evil(manifest=b'{"schemaVersion":NaN,"layers":NaN}'), "invalid"),
    "list": (lambda: Evil(manifest=b"[]"), "expected an object"),
    "number": (lambda: Evil(manifest=b"5"), "expected an object"),
    "layers-of-numbers": (lambda: image([FILE], layers=[1, 2]), "invalid descriptor"),
    "layers-that-are-an-object": (lambda: image([FILE], layers={}), "not a list"),
    "config-that-is-null": (lambda: Evil(manifest=b'{"config":null,"layers":[]}'), "invalid descriptor"),
    "digest-that-leads-out": (lambda: _named("sha256:../../../x"), "digest"),
    "digest-of-another-kind": (lambda: _named("md5:" + "0" * 32), "digest"),
    "digest-in-capitals": (lambda: _named("sha256:" + "A" * 64), "digest"),
    "size-too-small": (lambda: _sized(5), "bytes"),
    "size-too-large": (lambda: _sized(1 << 40), "bytes"),
    "size-beyond-all": (lambda: _sized(10**30), "bytes"),
    "size-negative": (lambda: _sized(-1), "invalid descriptor"),
    "size-that-is-text": (lambda: _sized('"5"'), "invalid descriptor"),
    "size-that-is-a-fraction": (lambda: _sized(1.5), "invalid descriptor"),
    "layer-with-other-bytes": (lambda: _with_blob(FILE[:-1] + b"!"), "digest"),
    "layer-missing": (lambda: _with_blob(None), "404"),
    "config-missing": (lambda: replace(image([FILE]), blobs={digest(FILE): FILE}), "404"),
    "diff-id-lies": (lambda: image([FILE], diff_ids=["sha256:" + "0" * 64]), "diff_id"),
    "diff-ids-too-few": (lambda: image([FILE], diff_ids=[]), "diff_id"),
    "diff-ids-too-many": (lambda: image([FILE], diff_ids=[digest(FILE)] * 3), "diff_id"),
    "diff-id-that-leads-out": (lambda: image([FILE], diff_ids=["sha256:../../x"]), "digest"),
    "thousands-of-layers": (lambda: _layers(1000), ""),
    "layer-that-is-no-archive": (lambda: image([b"GIF89a" * 1000]), "error"),
    "layer-truncated": (lambda: image([header(b"x", size=b"00000100000") + b"x"]), "truncated"),
    "layer-leads-out": (lambda: image([make_tar((member("../../x"), b"x"))]), "leads out"),
    "layer-whiteout-of-parent": (lambda: image([make_tar(member(".wh..."))]), "whiteout"),
    "layer-gzip-lie": (lambda: image([FILE], layers=[described(LAYER + "+gzip", FILE)]), ""),
    "layer-zeros-without-end": (lambda: image([FILE + bytes(80 << 20)]), "after its end"),
    "index-as-manifest": (lambda: replace(_index(), media_type=MANIFEST), "announced"),
    "manifest-as-index": (lambda: replace(image([FILE]), media_type=INDEX), "announced"),
    "type-unknown": (lambda: Evil(manifest=b"{}", media_type="application/vnd.evil"), "unknown type"),
    "schema-1": (lambda: Evil(manifest=b'{"schemaVersion":1}', media_type=SCHEMA_1), "schema 1"),
    "layer-of-another-type": (lambda: image([FILE], layers=[described("application/x-evil", FILE)]), ""),
    "layer-from-elsewhere": (lambda: _from("http://169.254.169.254/"), "not in the registry"),
    "index-of-nothing": (lambda: _index(), "platform"),
    "index-without-our-platform": (_without_platform, "platform"),
    "index-of-indexes": (_circle, "error"),
    "index-with-wrong-platforms": (lambda: _index(described(MANIFEST, b"x", platform=["linux"])), "error"),
    "index-of-many": (lambda: _many_platforms(20_000), "error"),
    "digest-header-lies": (lambda: replace(image([FILE]), headers={"Docker-Content-Digest": "sha256:" + "0" * 64}), "digest"),
    "digest-header-is-none": (lambda: replace(image([FILE]), headers={"Docker-Content-Digest": "../../etc"}), "digest"),
    "config-no-json": (lambda: image([FILE], b"<html>"), "not JSON"),
    "config-deep": (lambda: image([FILE], b"[" * 100_000), "not JSON"),
    "config-list": (lambda: image([FILE], b"[]"), "expected an object"),
    "config-env-of-numbers": (lambda: _config(config={"Env": [1, 2]}), "Env"),
    "config-cmd-that-is-text": (lambda: _config(config={"Cmd": "sh"}), "Cmd"),
    "config-labels-that-are-a-list": (lambda: _config(config={"Labels": ["a"]}), "Labels"),
    "config-half-a-character": (lambda: _text('"config":{"Labels":{"a":"\\ud800"}}'), "not JSON"),
    "config-absurd-history": (lambda: _config(history=[{"created_by": "x" * 1000, "empty_layer": True}] * 2_000), ""),
    "config-history-of-numbers": (lambda: _config(history=[1, 2]), "history"),
    "config-platform-trap": (lambda: _config(os=["linux"], architecture={"a": 1}), "error"),
    "config-healthcheck-of-text": (lambda: _config(config={"Healthcheck": "x"}), "error"),
    "config-healthcheck-huge": (lambda: _config(config={"Healthcheck": {"Test": ["CMD"], "Interval": 10**40}}), ""),
    "config-volumes-odd": (lambda: _config(config={"Volumes": {"../../..": {}, "\0": 5}}), ""),
    "config-working-dir-odd": (lambda: _config(config={"WorkingDir": "/../../\0x", "User": "\n:\0"}), ""),
    "config-trigger-odd": (lambda: _config(config={"OnBuild": ["FROM scratch", "\0", "RUN"]}), "error"),
    "config-duplicate-keys": (lambda: _text('"os":"plan9"'), ""),
    "token-no-json": (lambda: _token(b"<html>"), "token"),
    "token-list": (lambda: _token(b"[]"), "token"),
    "token-number": (lambda: _token(b'{"token":5}'), "token"),
    "token-empty": (lambda: _token(b'{"token":""}'), "token"),
    "token-huge": (lambda: _token(b'{"token":"' + b"x" * (20 << 20) + b'"}'), "error"),
    "token-with-newline": (lambda: _token(b'{"token":"a\\r\\nX-Evil: 1"}'), "token"),
    "token-with-nul": (lambda: _token(b'{"token":"a\\u0000b"}'), "token"),
    "token-with-half-a-character": (lambda: _token(b'{"token":"\\ud800"}'), "token"),
    "token-not-latin": (lambda: _token('{"token":"токен"}'.encode()), "token"),
    "token-life-negative": (lambda: _token(b'{"token":"x","expires_in":-5}'), ""),
    "token-life-nan": (lambda: _token(b'{"token":"x","expires_in":NaN}'), ""),
    "token-life-endless": (lambda: _token(b'{"token":"x","expires_in":1e999}'), ""),
    "token-life-text": (lambda: _token(b'{"token":"x","expires_in":"soon"}'), "token"),
    "token-life-huge": (lambda: _token(b'{"token":"x","expires_in":' + b"9" * 5000 + b"}"), "token"),
    "token-life-of-many-digits": (lambda: _token(b'{"token":"x","expires_in":' + b"9" * 400 + b"}"), "token"),
    "token-deep": (lambda: _token(b"[" * 100_000), "token"),
    "token-realm-file": (lambda: _token(b"{}", realm="file:///etc/passwd"), "realm"),
    "token-realm-nothing": (lambda: _token(b"{}", realm="http://"), "error"),
    "token-realm-odd": (lambda: _token(b"{}", realm="http://[::1"), "error"),
}  # fmt: skip
