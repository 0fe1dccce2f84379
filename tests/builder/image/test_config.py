from __future__ import annotations

import json

import pytest

from builder.errors import ImageError
from builder.image.config import Config, Healthcheck, History
from builder.image.platform import Platform

FULL = Config(
    platform=Platform(os="linux", architecture="arm", variant="v7"),
    created="2026-01-02T03:04:05Z",
    author="me",
    user="1:2",
    exposed_ports=("53/udp", "80/tcp"),
    env=("A=1", "B=x=y"),
    entrypoint=("/e",),
    cmd=("a", "b"),
    volumes=("/v",),
    working_dir="/w",
    labels={"k": "v"},
    stop_signal="SIGINT",
    shell=("/bin/bash", "-c"),
    healthcheck=Healthcheck(test=("CMD", "x"), interval=5, retries=3),
    on_build=("RUN x",),
    args_escaped=True,
    history=(History(created_by="ENV A=1", empty_layer=True),),
)


def test_a_config_survives_a_round_trip() -> None:
    assert Config.parse(FULL.to_bytes()) == FULL


def test_equal_configs_have_equal_bytes_whatever_the_order_of_labels() -> None:
    one = Config(platform=FULL.platform, labels={"a": "1", "b": "2"})
    two = Config(platform=FULL.platform, labels={"b": "2", "a": "1"})
    assert one.to_bytes() == two.to_bytes()


def test_what_is_empty_is_not_written() -> None:
    document = json.loads(Config(platform=Platform(os="linux", architecture="amd64"), cmd=()).to_bytes())
    assert document == {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [],
    }


def test_bytes_that_are_not_utf_8_become_replacement_characters() -> None:
    told = "Gr\udcfc\udcdfe"
    history = (History(created_by=told),)
    read = Config.parse(Config(platform=FULL.platform, env=(f"A={told}",), labels={"k": told}, history=history).to_bytes())
    assert (read.env, read.labels, read.history[0].created_by) == (
        ("A=Gr\ufffd\ufffde",),
        {"k": "Gr\ufffd\ufffde"},
        "Gr\ufffd\ufffde",
    )


def test_unknown_keys_of_a_base_are_dropped_as_buildkit_does() -> None:
    document = json.loads(FULL.to_bytes()) | {"container": "abc", "docker_version": "1"}
    document["config"]["Hostname"] = "x"
    assert Config.parse(json.dumps(document).encode()) == FULL


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{", b'{"config":[]}', b'{"config":{"Env":"A=1"}}', b'{"config":{"Env":[1]}}', b'{"config":{"User":1}}',
        b'{"rootfs":{"diff_ids":["x"]}}', b'{"history":{}}', b'{"history":[1]}', b'{"os":1}', b'{"config":{"Labels":[]}}',
        b'{"config":{"Healthcheck":{"Interval":"1s"}}}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_malformed_config_is_an_image_error(data: bytes) -> None:
    with pytest.raises(ImageError):
        Config.parse(data)


@pytest.mark.parametrize("data", [b"{}", b'{"config":null}', b'{"config":{"Env":null,"Cmd":null}}'])
def test_missing_parts_are_empty(data: bytes) -> None:
    config = Config.parse(data)
    assert (config.env, config.cmd, config.entrypoint) == ((), None, None)
