"""Cache mounts from one container to the next, where nothing is mounted, and where owners are only believed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.support.engine import Engine
from tests.support.masu import write_context
from tests.support.profiles import PROFILES, Profile
from tests.support.site import Site

MOUNT = "RUN --mount=type=cache,id=c,target=/deep/cache,uid=5,mode=750 cd /deep/cache;"
SHOWN = "stat -c '%n %u:%g %a %Y' . * | sed 's/^/seen: /'; cat his"
FILL = f"""\
FROM {{base}}
{MOUNT} echo text > his; ln his hard; mkdir d; ln -s his link; touch -d @1000000000 his d; chown 33:44 his; chmod 4751 his; \
chown -h 55 link
{MOUNT} {SHOWN}
"""
FIND = f"""\
FROM {{base}} AS one
{MOUNT} {SHOWN}
FROM one
{MOUNT} {SHOWN}; test his -ef hard && test "$(readlink link)" = his
"""


def built(
    text: str, directory: Path, *more: str, engine: Engine, image: str, profile: Profile, site: Site, restores: bool
) -> list[str]:
    """What the commands saw."""
    context = write_context(directory, text.format(base=site.references["busybox"]))
    options = (f"--volume={context}:/workspace", *profile.options, *more)
    done = engine.run(image, "--context=/workspace", "--no-push", "--cache-mounts=oci:/saved/mounts", options=options)
    assert done.code == 0, done.output
    assert f"sandbox {profile.sandbox}: chosen" in done.output
    assert ("restored the cache mount 'c'" in done.output) == restores, done.output
    return [line[line.index("seen: ") :] for line in done.output.splitlines() if "seen: " in line and "RUN" not in line]


@pytest.mark.parametrize(
    "profile", [profile for profile in PROFILES if profile.name in ("root", "user")], ids=lambda one: one.name
)
def test_the_next_container_finds_files_as_they_were(
    profile: Profile, engine: Engine, image: str, small_site: Site, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    saved = tmp_path / "saved"
    saved.mkdir()
    saved.chmod(0o777)
    build = partial(built, engine=engine, image=image, profile=profile, site=small_site)
    volume = f"--volume={saved}:/saved"
    first = build(FILL, tmp_path / "1", volume, restores=False)
    assert "seen: his 33:44 4751 1000000000" in first
    assert build(FIND, tmp_path / "2", volume, restores=True) == [*first, *first]
    if profile.name == "user":  # what is only believed is in no file system, so a machine has to remember it, too
        state = "--env=MASU_STATE_DIR=/saved/state"
        assert build(FIND, tmp_path / "3", volume, state, restores=True) == [*first, *first]
        assert build(FIND, tmp_path / "4", volume, state, restores=False) == [*first, *first]
