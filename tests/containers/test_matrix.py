"""One Dockerfile gives one image, to the last byte, in every container and from every sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from tests.support.cases import Case, read_cases
from tests.support.engine import Engine
from tests.support.ordinary_user import OrdinaryUser, ordinary_user
from tests.support.profiles import PROFILES, Profile
from tests.support.same import Remote, unlike
from tests.support.site import Site

CASES = read_cases(Path(__file__).parent / "cases")
LIMITS = {
    (
        "cri-o",
        "packages/apt-get-install-of-a-package-with-a-file-capability",
    ): "grep cap_net_raw: the command failed with exit code 1",
    ("chroot", "processes/scripts-and-shells"): "test -r /proc/self/status && test -d /sys",
    ("cri-o", "users/file-capabilities"): "unable to set CAP_SETFCAP effective capability",
}
"""What can't be had in a container, by profile and case → what is said instead of making another image."""
THOROUGH = ("root", "user")
REPRESENTATIVE = (
    "files/deletes-and-replacements",
    "mounts/mounts-of-every-type",
    "processes/a-daemon-is-left-behind",
    "users/useradd-with-owners-and-set-user-ID-files",
)
"""What `make test` builds in every container; the profiles above get all cases, `make matrix` builds all everywhere."""
Expected = Callable[[Case], Remote]


def parameter(case: Case, *others: Profile) -> ParameterSet:
    always = case.id in REPRESENTATIVE or any(profile.name in THOROUGH for profile in others)
    name = "-".join([*(profile.name for profile in others), case.id])
    return pytest.param(*others, case, id=name, marks=() if always else pytest.mark.matrix)


@pytest.fixture(scope="module")
def expected(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Expected:
    """What masu makes of a case on the host; built once."""
    built: dict[str, Remote] = {}

    def expected(case: Case) -> Remote:
        if case.id not in built:
            built[case.id] = site.built_on_host(case, tmp_path_factory.mktemp("host"))
        return built[case.id]

    return expected


@pytest.mark.parametrize(("profile", "case"), [parameter(case, profile) for case in CASES for profile in PROFILES])
def test_the_image_is_the_same_in_every_container(
    profile: Profile, case: Case, engine: Engine, image: str, site: Site, expected: Expected, tmp_path: Path
) -> None:
    done, remote = site.built_in_container(case, tmp_path, engine=engine, image=image, profile=profile)
    if said := LIMITS.get((profile.name, case.id)):
        assert (done.code, said in done.output) == (1, True), done.output
        return
    assert done.code == 0, done.output
    if "RUN" in case.sections["Dockerfile"]:
        assert f"sandbox {profile.sandbox}: chosen" in done.output
    assert unlike(expected(case), remote) == "", done.output


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user(with_range=True) as user:
        yield user


@pytest.mark.parametrize("case", [parameter(case) for case in CASES])
def test_the_image_is_the_same_from_an_ordinary_user(case: Case, site: Site, expected: Expected, user: OrdinaryUser) -> None:
    done, remote = site.built_by(user, case, user.home / case.id.replace("/", "-"))
    assert done.code == 0, done.output
    assert "sandbox namespaces: chosen" in done.output
    assert unlike(expected(case), remote) == "", done.output
