"""One Dockerfile gives one image, to the last byte, in every container and from every sandbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cases import Case, read_cases
from tests.support.engine import Engine
from tests.support.profiles import PROFILES, Profile
from tests.support.same import Remote, unlike
from tests.support.site import Site

CASES = read_cases(Path(__file__).parent / "cases")
LIMITS = {
    ("cri-o", "users/file-capabilities"): "unable to set CAP_SETFCAP effective capability",
}
"""What can't be had in a container, by profile and case → what is said instead of making another image."""
Expected = Callable[[Case], Remote]


@pytest.fixture(scope="module")
def expected(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Expected:
    """What masu makes of a case on the host; built once."""
    built: dict[str, Remote] = {}

    def expected(case: Case) -> Remote:
        if case.id not in built:
            built[case.id] = site.built_on_host(case, tmp_path_factory.mktemp("host"))
        return built[case.id]

    return expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
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
