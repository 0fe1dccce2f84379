"""Which drivers are asked, in what order, and what becomes of their trouble."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from builder.credentials import DRIVERS, Credential, from_environment
from builder.credentials.cautious import Cautious
from builder.credentials.docker_config import DockerConfig
from builder.errors import BuilderError, CredentialError, UsageError
from builder.image.reference import Repository

HERE, THERE = Repository(host="r.example", path="a"), Repository(host="s.example", path="a")


@dataclass(slots=True)
class Fickle:
    """Has nothing but trouble at r.example while `error` is set."""

    error: Exception | None = None
    asked: list[Repository] = field(default_factory=list)

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        self.asked.append(repository)
        if self.error is not None and repository.host == "r.example":
            raise self.error
        return Credential(username="u", password="p")


@pytest.mark.parametrize(
    ("helpers", "order"),
    [
        ([], "default env google ecr acr gitlab"), ([""], "default"), (["default"], "default"), (["ecr"], "default ecr"),
        (["gitlab", "env"], "default gitlab env"), (["gitlab,env"], "default gitlab env"), (["", "acr", "acr"], "default acr"),
    ],
)  # fmt: skip
def test_helpers_are_asked_in_the_order_that_is_chosen(
    helpers: Sequence[str], order: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        drivers = from_environment({}, helpers=helpers)
    assert caplog.messages == [f"credential providers by priority: [{order}]"]
    assert len(drivers) == len(order.split())
    assert isinstance(drivers[0], DockerConfig)


def test_an_unknown_helper_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown credential helper 'azure'") as caught:
        from_environment({}, helpers=["ecr", "azure"])
    assert all(name in caught.value.hint for name in DRIVERS)


def test_trouble_is_told_once_a_minute_for_each_host_and_not_asked_for_meanwhile(caplog: pytest.LogCaptureFixture) -> None:
    now, driver = [0.0], Fickle(error=CredentialError("no credential from Nowhere: it rains", hint="wait"))
    cautious = Cautious(driver, clock=lambda: now[0])
    assert [cautious.find(HERE), cautious.find(HERE), cautious.find(THERE) is None] == [None, None, False]
    assert caplog.messages == ["no credential from Nowhere: it rains; going on without it (wait)"]
    assert driver.asked == [HERE, THERE]
    now[0], driver.error = 61.0, None
    assert cautious.find(HERE) == Credential(username="u", password="p")


def test_other_errors_are_errors() -> None:
    with pytest.raises(BuilderError, match="malformed"):
        Cautious(Fickle(error=BuilderError("malformed"))).find(HERE)
