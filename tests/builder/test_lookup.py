"""Which steps a change makes miss: no more than with BuildKit, and never fewer than can see it.

Each case is built twice, with the change in between. Layers are made up; keys, look-up and cache are the real ones.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.rehearsal import Rehearsal
from tests.support.tree import make_tree

Change = Callable[[Rehearsal], object]

TREE = {
    "src/a": "a", "src/b": "b", "src/sub/c": "c", "src/link": "-> a", "one": "1", "bound/x": "x", "last": "l", "unused": "u",
    ".dockerignore": "Dockerfile\nignored\n", "ignored": "i", "note.md": "n", "t1.txt": "1", "t2.txt": "2", "deep/a/f": "fa",
    "deep/b/g": "gb", "docs/x.md": "x", "docs/y": "y", "here/same": "s", "there/same": "s", "here/d/f": "s", "there/d/f": "s",
}  # fmt: skip

APP = """\
FROM base AS app
ARG VERSION=1
ENV MODE=fast
WORKDIR /w
COPY src src
COPY --chown=1:1 --chmod=640 one /one
RUN --mount=type=bind,source=bound,target=/bound make
USER 1000
RUN <<EOF
install $MODE
EOF
COPY <<EOF /inline
text
EOF
COPY last /last
CMD ["x"]
"""
ALL, FROM_COPY, FROM_ONE, FROM_RUN = [1, 2, 3, 4, 5, 6, 7], [2, 3, 4, 5, 6, 7], [3, 4, 5, 6, 7], [4, 5, 6, 7]

STAGES = """\
FROM base AS tools
RUN make it
FROM base AS build
COPY --from=tools /out /tool
COPY src /src
RUN --mount=type=bind,from=tools,source=/out,target=/t compile
FROM tools AS unused
RUN never
FROM base
ARG NAME=x
COPY --from=build /out /app
COPY --from=other /lib /lib
RUN use $NAME
"""

MOUNTS = """\
FROM base
RUN --mount=type=cache,target=/c,id=one cached
RUN --mount=type=secret,id=token secretly
RUN --mount=type=tmpfs,target=/t,size=64k memory
RUN --mount=type=ssh secure
RUN --network=none alone
RUN --mount=type=bind,from=other,target=/o image
RUN --mount=type=bind,from=other,source=/lib,target=/o,rw image
"""

FILES = """\
FROM scratch
COPY *.txt /t/
COPY --parents deep/*/f /p/
COPY --exclude=*.md docs /docs
COPY here/same /same
COPY here/d /d
COPY --link last /last
ADD note.md /
"""

NAMES = {APP: "app", STAGES: "stages", MOUNTS: "mounts", FILES: "files"}


def sh(script: str) -> Change:
    """A change of the context."""

    def change(project: Rehearsal) -> None:
        subprocess.run(["sh", "-euc", script], cwd=project.context, check=True, capture_output=True)

    return change


def text(old: str, new: str) -> Change:
    return lambda project: project.swap(old, new)


def flags(**options: object) -> Change:
    return lambda project: project.give(**options)


def image(name: str, said: str) -> Change:
    return lambda project: project.images.update({name: said})


# fmt: off
CASES: dict[str, list[tuple[str, Change, list[int]]]] = {
    APP: [
        ("nothing", sh("true"), []),
        ("content", sh("echo x > src/a"), FROM_COPY),
        ("content, same length", sh("printf z > src/a"), FROM_COPY),
        ("content deep down", sh("echo x > src/sub/c"), FROM_COPY),
        ("name", sh("mv src/a src/z"), FROM_COPY),
        ("two files swapped", sh("mv src/a t; mv src/b src/a; mv t src/b"), FROM_COPY),
        ("mode", sh("chmod 755 src/a"), FROM_COPY),
        ("mode of a directory", sh("chmod 700 src/sub"), FROM_COPY),
        ("link target", sh("ln -sfn b src/link"), FROM_COPY),
        ("a link gone", sh("rm src/link"), FROM_COPY),
        ("a link made a file", sh("rm src/link; cp src/a src/link"), FROM_COPY),
        ("a hard link", sh("ln src/a src/hard"), FROM_COPY),
        ("a new file", sh("touch src/new"), FROM_COPY),
        ("a file gone", sh("rm src/b"), FROM_COPY),
        ("an empty directory", sh("mkdir src/empty"), FROM_COPY),
        ("a file moved down", sh("mv src/b src/sub/"), FROM_COPY),
        ("times", sh("find . -exec touch -d 2001-01-01 {} +"), []),
        ("owners", sh("chown -R 5:6 . || test $(id -u) != 0"), []),
        ("another file", sh("echo x > unused"), []),
        ("an ignored file", sh("echo x > ignored"), []),
        ("ignore rules without effect", sh("echo '# said' >> .dockerignore"), []),
        ("ignore rules for others", sh("echo unused >> .dockerignore"), []),
        ("ignore rules", sh("echo src/b >> .dockerignore"), FROM_COPY),
        ("a file of its own", sh("echo x > one"), FROM_ONE),
        ("what is bound", sh("echo x > bound/x"), FROM_RUN),
        ("mode of what is bound", sh("chmod 755 bound/x"), FROM_RUN),
        ("mode of the bound directory", sh("chmod 700 bound"), FROM_RUN),
        ("the last file", sh("echo x > last"), [7]),
        ("comments and empty lines", text("WORKDIR /w\n", "\n# said\nWORKDIR /w\n\n"), []),
        ("a keyword in lower case", text("WORKDIR /w", "workdir /w"), []),
        ("lines continued", text("COPY last /last", "COPY \\\n # said\n last \\\n /last"), []),
        ("the stage's name", text("AS app", "AS other"), []),
        ("CMD", text('CMD ["x"]', 'CMD ["y"]\nENTRYPOINT ["z"]'), []),
        ("config in the middle", text("COPY src", "LABEL a=b\nEXPOSE 80\nVOLUME /v\nSTOPSIGNAL 9\nCOPY src"), []),
        ("HEALTHCHECK and ONBUILD", text("COPY src", "HEALTHCHECK CMD x\nONBUILD RUN y\nCOPY src"), []),
        ("ENV", text("MODE=fast", "MODE=slow"), FROM_RUN),
        ("ENV for the rest", text("USER 1000", "ENV MORE=1\nUSER 1000"), [5, 6, 7]),
        ("ENV after all", text("CMD", "ENV MORE=1\nCMD"), []),
        ("ARG default", text("VERSION=1", "VERSION=2"), FROM_RUN),
        ("ARG used or not", text("USER 1000", "ARG MORE=1\nUSER 1000"), [5, 6, 7]),
        ("ARG without a value", text("USER 1000", "ARG MORE\nUSER 1000"), []),
        ("ARG after all", text("CMD", "ARG MORE=1\nCMD"), []),
        ("ARG before FROM", text("FROM base", "ARG GLOBAL=1\nFROM base"), []),
        ("the base by an ARG", text("FROM base", "ARG GLOBAL=base\nFROM ${GLOBAL}"), []),
        ("WORKDIR", text("WORKDIR /w", "WORKDIR /v"), ALL),
        ("USER", text("USER 1000", "USER 1001"), [5, 6, 7]),
        ("SHELL", text("COPY --chown", 'SHELL ["/bin/ash", "-c"]\nCOPY --chown'), FROM_RUN),
        ("the command", text("/bound make", "/bound make all"), FROM_RUN),
        ("blanks in the command", text("/bound make", "/bound make  "), []),
        ("the command's form", text("/bound make", '/bound ["make"]'), FROM_RUN),
        ("a RUN heredoc", text("install $MODE", "install it"), [5, 6, 7]),
        ("a COPY heredoc", text("\ntext\n", "\ntexts\n"), [6, 7]),
        ("--chown", text("--chown=1:1", "--chown=2:1"), FROM_ONE),
        ("--chmod", text("--chmod=640", "--chmod=600"), FROM_ONE),
        ("a destination", text("one /one", "one /two"), FROM_ONE),
        ("a destination's slash", text("src src", "src src/"), FROM_COPY),
        ("--link, which --chmod excludes", text("COPY --chown", "COPY --link --chown"), []),
        ("--link", text("COPY last", "COPY --link last"), [7]),
        ("--link, another line before", text("COPY last", "RUN more\nCOPY --link last"), [7, 8]),
        ("a mount's target", text("target=/bound", "target=/b"), FROM_RUN),
        ("a mount that may be written", text("target=/bound", "target=/bound,rw"), FROM_RUN),
        ("a mount's source with other files", text("source=bound", "source=docs"), FROM_RUN),
        ("a step more", text("USER 1000", "RUN more\nUSER 1000"), [5, 6, 7, 8]),
        ("a step less", text("COPY last /last\n", ""), []),
        ("steps swapped", text("COPY src src\nCOPY --chown=1:1 --chmod=640 one /one",
            "COPY --chown=1:1 --chmod=640 one /one\nCOPY src src"), FROM_COPY),
        ("ADD instead of COPY", text("COPY last", "ADD last"), [7]),
        ("a base with other files", image("base", "newer files"), ALL),
        ("a base's variables", image("base", "base files;A=1"), FROM_RUN),
        ("the same base by another name", text("FROM base", "FROM same"), []),
        ("the same base by a context", flags(build_context=("base=docker-image://same",)), []),
        ("another base by a context", flags(build_context=("base=docker-image://new",)), ALL),
        ("--build-arg", flags(build_arg=("VERSION=2",)), FROM_RUN),
        ("--build-arg, the default", flags(build_arg=("VERSION=1",)), []),
        ("--build-arg that no ARG declares", flags(build_arg=("OTHER=1",)), []),
        ("proxies", flags(build_arg=("HTTP_PROXY=http://p", "no_proxy=x")), []),
        ("a declared proxy", text("USER 1000", "ARG HTTP_PROXY=p\nUSER 1000"), [5, 6, 7]),
        ("--label", flags(label=("a=b",)), []),
        ("--annotation", flags(annotation=("a=b",)), []),
        ("--tag", flags(tag=("x",)), []),
        ("--jobs", flags(jobs="7"), []),
        ("--add-host", flags(add_host=("x:1.2.3.4",)), FROM_RUN),
        ("--ulimit", flags(ulimit=("nofile=99",)), FROM_RUN),
        ("--shm-size", flags(shm_size="1m"), FROM_RUN),
        ("--network", flags(network="none"), FROM_RUN),
        ("--compression", flags(compression="zstd"), ALL),
        ("--compression-level", flags(compression_level=9), ALL),
        ("--reproducible", flags(reproducible=True), ALL),
        ("the epoch", flags(build_arg=("SOURCE_DATE_EPOCH=1",)), ALL),
        ("--ignore-path", flags(ignore_path=("/out",)), ALL),
        ("--image-format", flags(image_format="docker"), []),
        ("--platform", flags(custom_platform="linux/s390x"), ALL),
        ("--no-cache", flags(no_cache=True), ALL),
        ("--no-cache-filter", flags(no_cache_filter=("app",)), ALL),
        ("--no-cache-filter of another stage", flags(no_cache_filter=("other",)), []),
        ("--secret", flags(secret=("id=x,src=/dev/null",)), []),
    ],
    STAGES: [
        ("nothing", sh("true"), []),
        ("a file", sh("echo x > src/a"), [3, 4, 5, 6, 7]),
        ("a command at the bottom", text("RUN make it", "RUN make this"), [1, 2, 3, 4, 5, 6, 7]),
        ("an argument of the last", flags(build_arg=("NAME=y",)), [7]),
        ("another image", image("other", "new"), [6, 7]),
        ("a stage's name", text("tools", "things"), []),
        ("a stage by its number", text("--from=build", "--from=1"), []),
        ("an unused stage", text("RUN never", "RUN hardly"), []),
        ("an unused stage less", text("FROM tools AS unused\nRUN never\n", ""), []),
        ("a stage before", text("FROM base AS tools", "FROM base AS more\nRUN more\nFROM base AS tools"), []),
        ("the base of all", image("base", "new"), [1, 2, 3, 4, 5, 6, 7]),
        ("what is copied of a stage", text("--from=build /out", "--from=build /"), [5, 6, 7]),
        ("the target", flags(target=("build",)), []),
    ],
    MOUNTS: [
        ("a cache mount's id", text("id=one", "id=two"), []),
        ("a cache mount's sharing", text("id=one", "id=one,sharing=locked"), []),
        ("a cache mount's mode", text("id=one", "id=one,mode=0700"), [1, 2, 3, 4, 5, 6, 7]),
        ("a cache mount's target", text("target=/c", "target=/d"), [1, 2, 3, 4, 5, 6, 7]),
        ("a secret's value", flags(secret=("id=token,src=/etc/hostname",)), []),
        ("a secret's id", text("id=token", "id=other"), [2, 3, 4, 5, 6, 7]),
        ("a secret's target", text("id=token", "id=token,target=/s"), [2, 3, 4, 5, 6, 7]),
        ("a secret's variable", text("id=token", "id=token,env=T"), [2, 3, 4, 5, 6, 7]),
        ("a secret that must be there", text("id=token", "id=token,required"), [2, 3, 4, 5, 6, 7]),
        ("a secret's mode", text("id=token", "id=token,mode=0444"), [2, 3, 4, 5, 6, 7]),
        ("a tmpfs", text("size=64k", "size=65k"), [3, 4, 5, 6, 7]),
        ("ssh", text("type=ssh", "type=ssh,id=x"), [4, 5, 6, 7]),
        ("a network", text("--network=none ", ""), [5, 6, 7]),
        ("an image that is mounted", image("other", "new"), [6, 7]),
        ("what is mounted of an image", text("source=/lib", "source=/bin"), [7]),
    ],
    FILES: [
        ("one more of a pattern", sh("touch t3.txt"), [1, 2, 3, 4, 5, 7]),
        ("another name", sh("touch t3.bin"), []),
        ("one more parent", sh("mkdir deep/c; touch deep/c/f"), [2, 3, 4, 5, 7]),
        ("what the pattern leaves out", sh("echo x > deep/b/g"), []),
        ("what is excluded", sh("echo x > docs/x.md"), []),
        ("what isn't", sh("echo x > docs/y"), [3, 4, 5, 7]),
        ("what is excluded by name", text("--exclude=*.md", "--exclude=z"), [3, 4, 5, 7]),
        ("the same file elsewhere", text("here/same", "there/same"), []),
        ("the same directory elsewhere", text("here/d", "there/d"), []),
        ("a directory by a link to it", sh("mv here/d real; ln -s ../real here/d"), []),
        ("a path in another form", text("here/same", "./here//same"), []),
        ("a file of another name", text("COPY here/same", "COPY last"), [4, 5, 7]),
    ],
}
# fmt: on

TABLE = [
    pytest.param(dockerfile, change, missed, id=f"{NAMES[dockerfile]}: {name}")
    for dockerfile, cases in CASES.items()
    for name, change, missed in cases
]


@pytest.fixture
def project(tmp_path: Path) -> Rehearsal:
    make_tree(tmp_path / "context", TREE)
    return Rehearsal(directory=tmp_path, dockerfile="", images={"other": "other files", "new": "new files"})


@pytest.mark.parametrize(("dockerfile", "change", "missed"), TABLE)
def test_a_change_is_missed_by_what_can_see_it(project: Rehearsal, dockerfile: str, change: Change, missed: list[int]) -> None:
    project.dockerfile = dockerfile
    project.build()
    change(project)
    assert project.build() == missed


def test_a_command_with_the_same_result_leaves_what_copies_it_cached(project: Rehearsal) -> None:
    project.dockerfile, project.same_output = STAGES, True
    project.build()
    project.swap("RUN make it", "RUN make it again")
    assert project.build() == [1]


def test_nothing_fits_on_another_result_of_the_same_command(project: Rehearsal) -> None:
    project.dockerfile = APP
    project.build()
    project.give(no_cache=True, no_push_cache=True)
    assert project.build() == ALL
    project.give(no_cache=False, cache_run_layers=False)  # the commands are carried out, and come out differently
    assert project.build() == FROM_RUN


def test_a_link_is_found_on_anything(project: Rehearsal) -> None:
    project.dockerfile = "FROM base\nRUN one\nCOPY --link last /last\nRUN two\n"
    project.build()
    project.swap("RUN one", "RUN other")
    assert project.build() == [1, 3]


def test_one_layer_for_all_is_missed_as_a_whole(project: Rehearsal) -> None:
    project.dockerfile = STAGES
    project.give(single_snapshot=True)
    project.build()
    assert project.build() == []
    project.give(build_arg=("NAME=y",))
    assert project.build() == [5, 6, 7]


def test_mounts_and_copies_of_the_same_path_are_told_apart(project: Rehearsal) -> None:
    project.dockerfile = "FROM base\nCOPY bound /x\nRUN --mount=type=bind,source=bound,target=/m one\nCOPY bound/ /y\n"
    project.build()
    (project.context / "bound").chmod(0o700)  # which only the mount shows
    assert project.build() == [2, 3]


def test_a_change_that_is_taken_back_is_found_again(project: Rehearsal) -> None:
    project.dockerfile = APP
    project.build()
    project.swap("/bound make", "/bound make more")
    project.build()
    project.swap("/bound make more", "/bound make")
    assert project.build() == []


@pytest.mark.parametrize(
    ("listed", "change", "missed"),
    [
        ("max", sh("true"), []),
        ("min", sh("true"), []),
        ("max", text("use $NAME", "use it"), [7]),
        ("min", text("use $NAME", "use it"), [7]),
        ("max", image("other", "new"), [6, 7]),
        ("max", sh("echo x > src/a"), [3, 4, 5, 6, 7]),
        ("min", sh("echo x > src/a"), [1, 2, 3, 4, 5, 6, 7]),  # what the first command makes is needed, and is not in the list
        ("max", text("--from=build /out", "--from=build /"), [5, 6, 7]),
        ("min", text("--from=build /out", "--from=build /"), [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_a_list_has_all_layers_or_those_of_the_target(project: Rehearsal, listed: str, change: Change, missed: list[int]) -> None:
    project.dockerfile, project.listed = STAGES, listed
    project.build()
    change(project)
    assert project.build() == missed
    assert project.build() == [], "what was found is in the next list as well"
