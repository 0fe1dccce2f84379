from __future__ import annotations

from builder.plan import render
from tests.support.dockerfiles import lowered


def test_a_plan_can_be_read() -> None:
    text = """ARG V=3
FROM --platform=$BUILDPLATFORM golang:$V AS build
WORKDIR /src
COPY . .
RUN --network=none go build && \\
    echo done
FROM scratch
ARG U=7
USER $U
COPY --from=build --chown=$U --chmod=755 /src/app /app
ADD a.tar b.tar /data/
ENTRYPOINT ["/app"]
"""
    assert (
        render(lowered(text, labels={"l": "1"}))
        == """stage 0 build from image golang:3 for linux/arm64
  Dockerfile:3  WORKDIR /src
      mkdir /src
  Dockerfile:4  COPY . .
      copy ["."] of context to /src/
  Dockerfile:5  RUN --network=none go build && echo done
      exec ["/bin/sh" "-c" "go build &&     echo done"] in /src network=none
stage 1 from scratch for linux/amd64
  Dockerfile:8  ARG U=7
  Dockerfile:9  USER $U
  Dockerfile:10  COPY --from=build --chown=$U --chmod=755 /src/app /app
      copy ["/src/app"] of stage 0 to /app chown=7 chmod=755
  Dockerfile:11  ADD a.tar b.tar /data/
      copy ["a.tar" "b.tar"] of context to /data/ unpack
  Dockerfile:12  ENTRYPOINT ["/app"]
config
  {
    "Entrypoint": [
      "/app"
    ],
    "Env": [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    ],
    "Labels": {
      "l": "1"
    },
    "User": "7",
    "WorkingDir": "/"
  }
"""
    )
