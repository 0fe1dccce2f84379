"""Pairs of a Dockerfile and a change, and which steps the change makes miss: of masu (`missed`) and, by default, of BuildKit.

Steps are numbered from 1 on in the Dockerfile's order, those that change files (RUN, COPY, ADD, WORKDIR), in the stages that the
target needs. A change is applied to a `Project`: the same one for masu's look-up alone, for masu and for a real engine.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Project(Protocol):
    """What is built twice, with a change in between. `images` are base images as text: their files, and after a `;` variables."""

    images: dict[str, str]

    @property
    def context(self) -> Path: ...

    def swap(self, old: str, new: str) -> None:
        """Another Dockerfile."""

    def give(self, **options: object) -> None:
        """More options for the next build, by their names in BuildOptions."""


Change = Callable[[Project], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """`buildkit` is what a current BuildKit misses where it isn't the same, and `why`, a line of docs/cache.md, says why not.

    `older` is what that of docker 20.10 misses where that is something else again.
    """

    group: Group
    name: str
    change: Change
    missed: list[int]
    buildkit: list[int] | None = None
    why: str = ""
    older: list[int] | None = None

    def of(self, *, is_current: bool) -> list[int]:
        """What BuildKit misses: a current one, or that of docker 20.10."""
        expected = self.missed if self.buildkit is None else self.buildkit
        return expected if is_current or self.older is None else self.older

    @property
    def id(self) -> str:
        return f"{self.group.name}: {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`before` is done before the first build. With `is_ours` it is about what only masu has."""

    name: str
    dockerfile: str
    cases: list[tuple[str, Change, list[int]]]
    before: Change = lambda project: None
    same_output: bool = False
    is_ours: bool = False
    differ: dict[str, tuple[list[int], str]] = field(default_factory=dict)
    older: dict[str, list[int]] = field(default_factory=dict)

    def pairs(self) -> Iterator[Pair]:
        assert {*self.differ, *self.older} <= {name for name, _, _ in self.cases}, "a difference of a case that isn't there"
        for name, change, missed in self.cases:
            buildkit, why = self.differ.get(name, (None, ""))
            older = self.older.get(name)
            yield Pair(group=self, name=name, change=change, missed=missed, buildkit=buildkit, why=why, older=older)


def sh(script: str) -> Change:
    """A change of the context."""

    def change(project: Project) -> None:
        subprocess.run(["sh", "-euc", script], cwd=project.context, check=True, capture_output=True)

    return change


def both(*changes: Change) -> Change:
    def change(project: Project) -> None:
        for each in changes:
            each(project)

    return change


def text(old: str, new: str) -> Change:
    return lambda project: project.swap(old, new)


def flags(**options: object) -> Change:
    return lambda project: project.give(**options)


def image(name: str, said: str) -> Change:
    return lambda project: project.images.update({name: said})


IMAGES = {"base": "base files", "same": "base files", "other": "other files", "new": "new files"}
TREE = {
    "src/a": "a", "src/b": "b", "src/sub/c": "c", "src/link": "-> a", "one": "1", "bound/x": "x", "last": "l", "unused": "u",
    ".dockerignore": "Dockerfile\nignored\n", "ignored": "i", "note.md": "n", "t1.txt": "1", "t2.txt": "2", "deep/a/f": "fa",
    "deep/b/g": "gb", "docs/x.md": "x", "docs/y": "y", "here/same": "s", "there/same": "s", "here/d/f": "s", "there/d/f": "s",
}  # fmt: skip

_DIRECTORY_MODES = "BuildKit doesn't notice another mode of a directory of the context"
_ADDED_HOSTS = "BuildKit's keys have no addresses of `--add-host`"
_WORKDIR = "BuildKit takes WORKDIR from the cache in spite of `--no-cache`"
_MERGES = "BuildKit lays a `COPY --link` anew on what has changed below it"
_PATTERNS = "BuildKit's keys have the pattern of a COPY, here it is what the pattern finds"

ALL, FROM_COPY, FROM_ONE, FROM_RUN = [1, 2, 3, 4, 5, 6, 7], [2, 3, 4, 5, 6, 7], [3, 4, 5, 6, 7], [4, 5, 6, 7]

# fmt: off
APP = Group(name="app", dockerfile="""\
FROM base AS app
ARG VERSION=1
ENV MODE=fast
WORKDIR /w
COPY src src
COPY --chown=1:1 --chmod=640 one /one
RUN --mount=type=bind,source=bound,target=/bound make
USER 1000
RUN install $MODE
COPY t1.txt /inline
COPY last /last
CMD ["x"]
""", cases=[
    ("nothing", sh("true"), []),
    ("content", sh("echo x > src/a"), FROM_COPY),
    ("content, same length", sh("printf z > src/a"), FROM_COPY),
    ("content deep down", sh("echo x > src/sub/c"), FROM_COPY),
    ("name", sh("mv src/a src/z"), FROM_COPY),
    ("name in other letters", sh("mv src/a src/A"), FROM_COPY),
    ("two files swapped", sh("mv src/a t; mv src/b src/a; mv t src/b"), FROM_COPY),
    ("mode", sh("chmod 755 src/a"), FROM_COPY),
    ("a set-user-id bit", sh("chmod 4644 src/a"), FROM_COPY),
    ("mode of a directory", sh("chmod 700 src/sub"), FROM_COPY),
    ("link target", sh("ln -sfn b src/link"), FROM_COPY),
    ("a link gone", sh("rm src/link"), FROM_COPY),
    ("a link made a file", sh("rm src/link; cp src/a src/link"), FROM_COPY),
    ("a file made a directory", sh("rm src/b; mkdir src/b"), FROM_COPY),
    ("a hard link", sh("ln src/a src/hard"), FROM_COPY),
    ("a new file", sh("touch src/new"), FROM_COPY),
    ("a new hidden file", sh("touch src/.new"), FROM_COPY),
    ("a file gone", sh("rm src/b"), FROM_COPY),
    ("an empty directory", sh("mkdir src/empty"), FROM_COPY),
    ("a file moved down", sh("mv src/b src/sub/"), FROM_COPY),
    ("a directory's name", sh("mv src/sub src/sup"), FROM_COPY),
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
    ("an empty directory in what is bound", sh("mkdir bound/empty"), FROM_RUN),
    ("the last file", sh("echo x > last"), [7]),
    ("comments and empty lines", text("WORKDIR /w\n", "\n# said\nWORKDIR /w\n\n"), []),
    ("a keyword in lower case", text("WORKDIR /w", "workdir /w"), []),
    ("lines continued", text("COPY last /last", "COPY \\\n # said\n last \\\n /last"), []),
    ("the form of COPY", text("COPY last /last", 'COPY ["last", "/last"]'), []),
    ("the stage's name", text("AS app", "AS other"), []),
    ("CMD", text('CMD ["x"]', 'CMD ["y"]\nENTRYPOINT ["z"]'), []),
    ("config in the middle", text("COPY src", "LABEL a=b\nEXPOSE 80\nVOLUME /v\nSTOPSIGNAL 9\nCOPY src"), []),
    ("HEALTHCHECK and ONBUILD", text("COPY src", "HEALTHCHECK CMD x\nONBUILD RUN y\nCOPY src"), []),
    ("ENV", text("MODE=fast", "MODE=slow"), FROM_RUN),
    ("ENV in another form", text("ENV MODE=fast", 'ENV MODE "fast"'), []),
    ("ENV for the rest", text("USER 1000", "ENV MORE=1\nUSER 1000"), [5, 6, 7]),
    ("ENV after all", text("CMD", "ENV MORE=1\nCMD"), []),
    ("ARG default", text("VERSION=1", "VERSION=2"), FROM_RUN),
    ("ARG's name", text("ARG VERSION", "ARG REVISION"), FROM_RUN),
    ("ARG used or not", text("USER 1000", "ARG MORE=1\nUSER 1000"), [5, 6, 7]),
    ("ARG without a value", text("USER 1000", "ARG MORE\nUSER 1000"), []),
    ("ARG after all", text("CMD", "ARG MORE=1\nCMD"), []),
    ("ARG before FROM", text("FROM base", "ARG GLOBAL=1\nFROM base"), []),
    ("the base by an ARG", text("FROM base", "ARG GLOBAL=base\nFROM ${GLOBAL}"), []),
    ("WORKDIR", text("WORKDIR /w", "WORKDIR /v"), ALL),
    ("USER", text("USER 1000", "USER 1001"), [5, 6, 7]),
    ("USER with a group", text("USER 1000", "USER 1000:5"), [5, 6, 7]),
    ("SHELL", text("COPY --chown", 'SHELL ["/bin/ash", "-c"]\nCOPY --chown'), FROM_RUN),
    ("the command", text("/bound make", "/bound make all"), FROM_RUN),
    ("blanks in the command", text("/bound make", "/bound make  "), []),
    ("blanks inside the command", text("install $MODE", "install  $MODE"), [5, 6, 7]),
    ("the command's form", text("/bound make", '/bound ["make"]'), FROM_RUN),
    ("--chown", text("--chown=1:1", "--chown=2:1"), FROM_ONE),
    ("--chmod", text("--chmod=640", "--chmod=600"), FROM_ONE),
    ("no --chown", text("--chown=1:1 ", ""), FROM_ONE),
    ("a destination", text("one /one", "one /two"), FROM_ONE),
    ("a destination's slash", text("src src", "src src/"), FROM_COPY),
    ("a mount's target", text("target=/bound", "target=/b"), FROM_RUN),
    ("a mount that may be written", text("target=/bound", "target=/bound,rw"), FROM_RUN),
    ("a mount's source with other files", text("source=bound", "source=docs"), FROM_RUN),
    ("no mount", text("--mount=type=bind,source=bound,target=/bound ", ""), FROM_RUN),
    ("a step more", text("USER 1000", "RUN more\nUSER 1000"), [5, 6, 7, 8]),
    ("a step less", text("COPY last /last\n", ""), []),
    ("steps swapped", text("COPY src src\nCOPY --chown=1:1 --chmod=640 one /one",
        "COPY --chown=1:1 --chmod=640 one /one\nCOPY src src"), FROM_COPY),
    ("ADD instead of COPY", text("COPY last", "ADD last"), [7]),
    ("a base with other files", image("base", "newer files"), ALL),
    ("a base's variables", image("base", "base files;A=1"), FROM_RUN),
    ("the same base by another name", text("FROM base", "FROM same"), []),
    ("--build-arg", flags(build_arg=("VERSION=2",)), FROM_RUN),
    ("--build-arg, the default", flags(build_arg=("VERSION=1",)), []),
    ("--build-arg that no ARG declares", flags(build_arg=("OTHER=1",)), []),
    ("proxies", flags(build_arg=("HTTP_PROXY=http://p", "no_proxy=x")), []),
    ("a declared proxy", text("USER 1000", "ARG HTTP_PROXY=p\nUSER 1000"), [5, 6, 7]),
    ("--label", flags(label=("a=b",)), []),
    ("--tag", flags(tag=("x",)), []),
    ("--add-host", flags(add_host=("x:1.2.3.4",)), FROM_RUN),
    ("--ulimit", flags(ulimit=("nofile=99",)), FROM_RUN),
    ("--shm-size", flags(shm_size="1m"), FROM_RUN),
    ("--network", flags(network="none"), FROM_RUN),
    ("--no-cache", flags(no_cache=True), ALL),
    ("--secret", flags(secret=("id=x,src=/dev/null",)), []),
], differ={
    "mode of a directory": ([], _DIRECTORY_MODES),
    "mode of the bound directory": ([], _DIRECTORY_MODES),
    "--no-cache": (FROM_COPY, _WORKDIR),
}, older={"--ulimit": [], "--shm-size": []})

OURS = Group(name="ours", dockerfile=APP.dockerfile, is_ours=True, cases=[
    ("--annotation", flags(annotation=("a=b",)), []),
    ("--jobs", flags(jobs="7"), []),
    ("--compression", flags(compression="zstd"), ALL),
    ("--compression-level", flags(compression_level=9), ALL),
    ("--reproducible", flags(reproducible=True), ALL),
    ("the epoch", flags(build_arg=("SOURCE_DATE_EPOCH=1",)), ALL),
    ("--ignore-path", flags(ignore_path=("/out",)), ALL),
    ("--image-format", flags(image_format="docker"), []),
    ("--platform", flags(custom_platform=("linux/s390x",)), ALL),
])

CURRENT = Group(name="current", dockerfile="""\
FROM base AS app
COPY src src
RUN make
COPY --chmod=640 one /one
COPY --exclude=*.md docs /docs
RUN <<EOF
install $MODE
EOF
COPY <<EOF /inline
text
EOF
COPY last /last
""", cases=[
    ("nothing", sh("true"), []),
    ("a RUN heredoc", text("install $MODE", "install it"), [5, 6, 7]),
    ("a RUN heredoc's indentation", text("install $MODE", "  install $MODE"), [5, 6, 7]),
    ("a RUN heredoc with tabs that don't count", text("RUN <<EOF\ninstall", "RUN <<-EOF\n\tinstall"), []),
    ("a RUN heredoc with another shell", text("install $MODE", "#!/bin/ash\ninstall $MODE"), [5, 6, 7]),
    ("a RUN heredoc's terminator", text("RUN <<EOF\ninstall $MODE\nEOF", "RUN <<END\ninstall $MODE\nEND"), []),
    ("a RUN heredoc for a program", text("RUN <<EOF", "RUN cat <<EOF"), [5, 6, 7]),
    ("a COPY heredoc", text("\ntext\n", "\ntexts\n"), [6, 7]),
    ("a variable that a COPY heredoc has", text("COPY src", "ENV MODE=1\nCOPY src"), [2, 3, 4, 5, 6, 7]),
    ("a COPY heredoc in quotes", text("COPY <<EOF", 'COPY <<"EOF"'), []),
    ("a COPY heredoc's name", text("/inline\ntext", "/inlaid\ntext"), [6, 7]),
    ("a COPY heredoc's mode", text("COPY <<EOF", "COPY --chmod=600 <<EOF"), [6, 7]),
    ("two COPY heredocs", text("COPY <<EOF /inline\ntext\nEOF", "COPY <<EOF <<END /inline/\ntext\nEOF\ntext\nEND"), [6, 7]),
    ("--link", text("COPY last", "COPY --link last"), [7]),
    ("--link, another line before", text("COPY last", "RUN more\nCOPY --link last"), [7, 8]),
    ("--link, which --chmod excludes", text("COPY --chmod", "COPY --link --chmod"), []),
    ("what is excluded", sh("echo x > docs/x.md"), []),
    ("one more that is excluded", sh("touch docs/z.md"), []),
    ("what isn't excluded", sh("echo x > docs/y"), [4, 5, 6, 7]),
    ("what is excluded by name", text("--exclude=*.md", "--exclude=z"), [4, 5, 6, 7]),
    ("--exclude of what isn't there", text("--exclude=*.md", "--exclude=*.md --exclude=none"), [4, 5, 6, 7]),
    ("--chmod in letters", text("--chmod=640", "--chmod=u=rw,g=r,o="), [3, 4, 5, 6, 7]),
    ("the same base by a context", flags(build_context=("base=docker-image://same",)), []),
    ("another base by a context", flags(build_context=("base=docker-image://new",)), ALL),
    ("--no-cache-filter", flags(no_cache_filter=("app",)), ALL),
    ("--no-cache-filter of another stage", flags(no_cache_filter=("other",)), []),
])

LINKED = Group(name="linked", dockerfile="""\
FROM base
RUN make
COPY --link last /last
COPY --link src /src
RUN use
""", cases=[
    ("nothing", sh("true"), []),
    ("what is below", text("RUN make", "RUN make it"), [1, 4]),
    ("what is copied", sh("echo x > last"), [2, 4]),
    ("what is copied last", sh("echo x > src/b"), [3, 4]),
    ("their order", text("COPY --link last /last\nCOPY --link src /src", "COPY --link src /src\nCOPY --link last /last"), [4]),
    ("one less", text("COPY --link last /last\n", ""), [3]),
    ("where it goes", text("/last", "/latest"), [2, 4]),
    ("the base", image("base", "newer files"), [1, 4]),
], differ={
    "what is below": ([1, 2, 3, 4], _MERGES),
    "what is copied": ([2, 3, 4], _MERGES),
    "their order": ([2, 3, 4], _MERGES),
    "one less": ([2, 3], _MERGES),
    "where it goes": ([2, 3, 4], _MERGES),
    "the base": ([1, 2, 3, 4], _MERGES),
})

STAGES = Group(name="stages", dockerfile="""\
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
""", cases=[
    ("nothing", sh("true"), []),
    ("a file", sh("echo x > src/a"), [3, 4, 5, 6, 7]),
    ("a command at the bottom", text("RUN make it", "RUN make this"), ALL),
    ("a variable of a stage", text("AS tools\n", "AS tools\nENV A=1\n"), ALL),
    ("an argument of the last", flags(build_arg=("NAME=y",)), [7]),
    ("an argument of one stage in another", text("AS build\n", "AS build\nARG NAME=z\n"), [4, 5, 6, 7]),
    ("a global argument that a stage takes", text("FROM base AS tools", "ARG NAME=z\nFROM base AS tools"), []),
    ("another image", image("other", "new"), [6, 7]),
    ("a stage's name", text("tools", "things"), []),
    ("a stage by its number", text("--from=build", "--from=1"), []),
    ("an unused stage", text("RUN never", "RUN hardly"), []),
    ("an unused stage less", text("FROM tools AS unused\nRUN never\n", ""), []),
    ("a stage before", text("FROM base AS tools", "FROM base AS more\nRUN more\nFROM base AS tools"), []),
    ("the base of all", image("base", "new"), ALL),
    ("what is copied of a stage", text("--from=build /out", "--from=build /"), [5, 6, 7]),
    ("where it is copied to", text("/out /app", "/out /apple"), [5, 6, 7]),
    ("where it is mounted", text("target=/t", "target=/u"), [4, 5, 6, 7]),
    ("the owner of what is copied", text("--from=build /out", "--from=build --chown=1 /out"), [5, 6, 7]),
    ("a step before what is copied", text("RUN make it", "WORKDIR /v\nRUN make it"), [1, 2, 3, 4, 5, 6, 7, 8]),
    ("the target", flags(target=("build",)), []),
])

BASED = Group(name="based", dockerfile="""\
FROM base AS tools
ENV TOOLS=1
RUN make
FROM tools AS build
COPY src /src
RUN compile
FROM tools
COPY --from=build /out /app
RUN use
""", cases=[
    ("nothing", sh("true"), []),
    ("the command of both", text("RUN make", "RUN make it"), [1, 2, 3, 4, 5]),
    ("a variable of both", text("TOOLS=1", "TOOLS=2"), [1, 2, 3, 4, 5]),
    ("a variable that only stages on it see", text("RUN make\n", "RUN make\nENV MORE=1\n"), [3, 4, 5]),
    ("an argument that stages on it inherit", text("RUN make\n", "RUN make\nARG MORE=1\n"), [3, 4, 5]),
    ("a file", sh("echo x > src/a"), [2, 3, 4, 5]),
    ("one more command of both", text("RUN make\n", "RUN make\nRUN more\n"), [2, 3, 4, 5, 6]),
    ("the last command", text("RUN use", "RUN use it"), [5]),
    ("a name", text("tools", "things"), []),
])

SAME = Group(name="same", same_output=True, dockerfile="""\
FROM base AS tools
RUN same make
FROM base AS build
COPY --from=tools /out /tool
RUN --mount=type=bind,from=tools,source=/out,target=/t same compile
FROM base
COPY --from=build /out /app
RUN same use
""", cases=[
    ("nothing", sh("true"), []),
    ("another command, same result", text("same make", "same make again"), [1]),
    ("another command in the middle", text("same compile", "same compile again"), [3]),
    ("one more command", text("RUN same make", "RUN same more\nRUN same make"), [1, 2]),
    ("both stages", both(text("same make", "same made"), text("same compile", "same compiled")), [1, 3]),
])

MOUNTS = Group(name="mounts", dockerfile="""\
FROM base
RUN --mount=type=cache,target=/c,id=one cached
RUN --mount=type=secret,id=token secretly
RUN --mount=type=tmpfs,target=/t memory
RUN --mount=type=ssh secure
RUN alone
RUN --mount=type=bind,from=other,target=/o image
RUN --mount=type=bind,from=other,source=/lib,target=/o,rw image
""", cases=[
    ("nothing", sh("true"), []),
    ("a cache mount's id", text("id=one", "id=two"), []),
    ("a cache mount's sharing", text("id=one", "id=one,sharing=locked"), []),
    ("a cache mount's mode", text("id=one", "id=one,mode=0700"), ALL),
    ("a cache mount's owner", text("id=one", "id=one,uid=5"), ALL),
    ("a cache mount's target", text("target=/c", "target=/d"), ALL),
    ("a cache mount for reading", text("id=one", "id=one,ro"), ALL),
    ("a secret's value", flags(secret=("id=token,src=/etc/hostname",)), []),
    ("a secret's id", text("id=token", "id=other"), FROM_COPY),
    ("a secret's target", text("id=token", "id=token,target=/s"), FROM_COPY),
    ("a secret's variable", text("id=token", "id=token,env=T"), FROM_COPY),
    ("a secret that must be there",
        both(text("id=token", "id=token,required"), flags(secret=("id=token,src=/etc/hostname",))),
        FROM_COPY),
    ("a secret's mode", text("id=token", "id=token,mode=0444"), FROM_COPY),
    ("a tmpfs's size", text("target=/t ", "target=/t,size=65k "), FROM_ONE),
    ("a tmpfs's target", text("target=/t ", "target=/tt "), FROM_ONE),
    ("ssh", text("type=ssh", "type=ssh,id=x"), FROM_RUN),
    ("a network", text("RUN alone", "RUN --network=none alone"), [5, 6, 7]),
    ("an image that is mounted", image("other", "new"), [6, 7]),
    ("what is mounted of an image", text("source=/lib", "source=/bin"), [7]),
    ("a mount for reading", text("target=/o,rw", "target=/o"), [7]),
], older={"a cache mount's id": ALL, "a cache mount's sharing": ALL})

FILES = Group(name="files", before=sh("tar --mtime=@1 -cf docs.tar docs"), dockerfile="""\
FROM base
COPY *.txt /t/
COPY here/same /same
COPY here/d /d
ADD note.md /
ADD docs.tar /unpacked/
COPY docs one /some/
""", cases=[
    ("one more of a pattern", sh("touch t3.txt"), [1, 2, 3, 4, 5, 6]),
    ("one less of a pattern", sh("rm t2.txt"), [1, 2, 3, 4, 5, 6]),
    ("another name of a pattern", sh("mv t2.txt t3.txt"), [1, 2, 3, 4, 5, 6]),
    ("a link that a pattern finds", sh("rm t2.txt; printf 2 > two; ln -s two t2.txt"), []),
    ("another name", sh("touch t3.bin"), []),
    ("another pattern for the same", text("*.txt", "t?.txt"), []),
    ("the names instead of a pattern", text("*.txt", "t1.txt t2.txt"), [1, 2, 3, 4, 5, 6]),
    ("the same file elsewhere", text("here/same", "there/same"), []),
    ("the same directory elsewhere", text("here/d", "there/d"), []),
    ("a directory by a link to it", sh("mv here/d real; ln -s ../real here/d"), []),
    ("a path in another form", text("here/same", "./here//same"), []),
    ("a file of another name", text("COPY here/same", "COPY last"), [2, 3, 4, 5, 6]),
    ("an archive's content", sh("tar --mtime=@1 -cf docs.tar docs/y"), [5, 6]),
    ("times in an archive", sh("tar --mtime=@2 -cf docs.tar docs"), [5, 6]),
    ("an archive's compression", sh("gzip -n docs.tar; mv docs.tar.gz docs.tar"), [5, 6]),
    ("an archive's mode", sh("chmod 600 docs.tar"), [5, 6]),
    ("one of two sources", sh("echo x > one"), [6]),
    ("the order of two sources", text("docs one", "one docs"), [6]),
], differ={"another pattern for the same": ([1, 2, 3, 4, 5, 6], _PATTERNS)})

IGNORES = Group(name="ignores", dockerfile="""\
FROM base
COPY . /all
RUN --mount=type=bind,target=/m make
""", cases=[
    ("nothing", sh("true"), []),
    ("an ignored file", sh("echo x > ignored"), []),
    ("an ignored directory", sh("rm ignored; mkdir ignored; touch ignored/x"), []),
    ("the rules", sh("echo '*.md' >> .dockerignore"), [1, 2]),
    ("the rules, themselves ignored", sh("echo .dockerignore >> .dockerignore"), [1, 2]),
    ("one rule less", sh("echo Dockerfile > .dockerignore"), [1, 2]),
    ("an exception", sh("printf 'docs\\n!docs/y\\n' >> .dockerignore"), [1, 2]),
    ("the Dockerfile, which is ignored", text("RUN", "# said\nRUN"), []),
    ("any file", sh("echo x > there/d/f"), [1, 2]),
    ("an empty directory", sh("mkdir -p x/y"), [1, 2]),
    ("a pipe", sh("mkfifo src/pipe"), [1, 2]),
    ("a link that leads nowhere", sh("ln -s nowhere dangling"), [1, 2]),
    ("mode of the context, which the mount shows", sh("chmod 700 ."), [2]),
], differ={"mode of the context, which the mount shows": ([], _DIRECTORY_MODES)})

HOSTS = Group(name="hosts", before=flags(add_host=("x:1.2.3.4",)), dockerfile="FROM base\nCOPY one /\nRUN make\n", cases=[
    ("the same", flags(add_host=("x:1.2.3.4",)), []),
    ("another address", flags(add_host=("x:1.2.3.5",)), [2]),
    ("another name", flags(add_host=("y:1.2.3.4",)), [2]),
    ("one more", flags(add_host=("x:1.2.3.4", "y:1.2.3.4")), [2]),
    ("none", flags(add_host=()), [2]),
], differ={"another address": ([], _ADDED_HOSTS)})

PARENTS = Group(name="parents", is_ours=True, dockerfile="""\
FROM scratch
COPY --parents deep/*/f /p/
COPY last /
""", cases=[
    ("one more parent", sh("mkdir deep/c; touch deep/c/f"), [1, 2]),
    ("what the pattern leaves out", sh("echo x > deep/b/g"), []),
    ("a parent's name", sh("mv deep/a deep/z"), [1, 2]),
    ("where the parents begin", text("deep/*/f", "deep/./*/f"), [1, 2]),
])
# fmt: on

GROUPS = (APP, OURS, CURRENT, LINKED, STAGES, BASED, SAME, MOUNTS, FILES, IGNORES, HOSTS, PARENTS)
PAIRS = [pair for group in GROUPS for pair in group.pairs()]
