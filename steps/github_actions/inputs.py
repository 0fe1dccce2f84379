"""The action's inputs → the command line of a build. Values that are secret go by the environment."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder import output_flags
from builder.errors import UsageError
from builder.output_flags import STDOUT, Output
from builder.values import dataclass, field
from steps.github_actions import commands, lists
from steps.github_actions.table import BY_NAME, INPUTS, Input, Kind

_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")  # YAML 1.2's, and no others
_REFERENCES = ("--destination=", "--cache-repo=", "--cache-from=", "--cache-to=", "--cache-mounts=")
_DIRECTORY = re.compile(r"=oci:|[=,]\"?type=local\b")  # what only looks like a reference
_LEAST = 4  # characters of what is masked: shorter ones would be everywhere
_DEFAULT_CONTEXT = "{{defaultContext}}"
_GITHUB_CACHE = re.compile(r"(?:^|,)\s*type=gha(?:,|$)")
_OF_FORKS = "a workflow that a pull request of a fork starts is given no secrets"
_NO_EFFECT = {
    "builder": "masu needs no builder",
    "cgroup-parent": "masu makes no control groups",
    "executor": "masu's own image is run; the input step-image names another",
}


@dataclass(slots=True)
class Reading:
    """What has been made of the inputs in `env` so far; `notes` are warnings for who wrote the workflow."""

    env: Mapping[str, str]
    words: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    masked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        return self.env.get(BY_NAME[name].variable, "").strip()

    def bool(self, name: str) -> bool | None:
        """None where nothing is given. Raises UsageError."""
        text = self.text(name)
        if text not in ("", *_TRUE, *_FALSE):
            raise UsageError(f"the input {name!r} is {text!r}, which is neither true nor false")
        return None if not text else text in _TRUE

    def values(self, name: str) -> tuple[str, ...]:
        """Raises UsageError for an odd quote."""
        return (lists.split if BY_NAME[name].kind is Kind.LIST else lists.lines)(self.text(name), name)

    def add(self, option: str, value: str) -> None:
        self.words.append(f"--{option}={value}")

    def secret(self, name: str, value: str) -> None:
        """As a secret of the build, by way of the environment."""
        variable = f"MASU_INPUT_SECRET_{len(self.variables)}"
        self.variables[variable] = value
        self.masked.append(value)
        self.add("secret", f"id={name},env={variable}")


def read(env: Mapping[str, str]) -> Reading:
    """All inputs. Raises UsageError for what can't be honoured, with what to do instead."""
    reading = Reading(env)
    reading.notes += [f"the input {name} has no effect: {why}" for name, why in _NO_EFFECT.items() if reading.text(name)]
    _context(reading)
    is_pushed = _images(reading)
    _attestations(reading)
    _secrets(reading)
    _cache(reading, is_pushed=is_pushed)
    _login(reading)
    _rest(reading)
    for item in INPUTS:
        if item.option:
            reading.words += _as_it_is(item, reading)
    reading.words = [_lower(word, env) if _is_reference(word) else word for word in reading.words]
    reading.words += lists.unquoted_lines(reading.text("kaniko-args"))
    reading.words += _shell_words(reading.text("extra_args"))
    return reading


def _shell_words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        hint = "close it, or give the input kaniko-args, which has one flag a line and no quotes"
        raise UsageError("the input 'extra_args' has a quote without a second one", hint=hint) from error


def before(reading: Reading) -> str:
    """What is told to the runner first: what to hide, and what has no effect."""
    lines = {line for value in reading.masked for line in (value, *value.splitlines())}
    masks = "".join(commands.mask(line) for line in sorted(lines) if len(line) >= _LEAST)
    return masks + "".join(commands.command("warning", note, title="masu") for note in reading.notes)


def _as_it_is(item: Input, reading: Reading) -> Iterator[str]:
    if item.kind is Kind.BOOL:
        value = reading.bool(item.name)
        if value is not None:
            yield f"--{item.option}={'true' if value else 'false'}"
    elif item.kind is Kind.TEXT:
        if text := reading.text(item.name):
            yield f"--{item.option}={text}"
    else:
        yield from (f"--{item.option}={value}" for value in reading.values(item.name))


def _context(reading: Reading) -> None:
    env, path = reading.env, reading.text("path")
    context = reading.text("context") or path or "."
    if context.startswith(_DEFAULT_CONTEXT):
        directory = context.removeprefix(_DEFAULT_CONTEXT)
        server, token = env.get("GITHUB_SERVER_URL", "https://github.com"), reading.text("github-token")
        context = (
            f"{server}/{env.get('GITHUB_REPOSITORY', '')}.git#{env.get('GITHUB_SHA') or env.get('GITHUB_REF', '')}{directory}"
        )
        if token and not any(value.startswith("GIT_AUTH_TOKEN") for value in reading.values("secrets")):
            reading.secret(f"GIT_AUTH_TOKEN.{server.partition('://')[2]}", token)  # for no other host that the Dockerfile names
    reading.add("context", context)
    if file := reading.text("build_file"):
        reading.add("dockerfile", f"{path}/{file}" if path else file)


def _images(reading: Reading) -> bool:
    """Whether they are to be pushed."""
    outputs = _outputs(reading)
    tags = tuple(dict.fromkeys((*reading.values("tags"), *_aevea_tags(reading))))
    names = (*tags, *(name for output in outputs for name in output.names))
    given, load = reading.bool("push"), reading.bool("load") or any(map(_is_load, outputs))
    is_pushed = bool(given) or any(output.push for output in outputs) or (given is None and bool(reading.text("image")))
    if is_pushed and not names:
        raise UsageError("there is nothing to push", hint="give the image's references by the input tags")
    if (
        given is None
        and names
        and not (is_pushed or load or any(output.kind is not output_flags.Kind.IMAGE for output in outputs))
    ):
        reading.notes.append("nothing is pushed: write push: true to push the image, or push: false if this is only to be built")
    # What is pushed by digest has no tag, and --destination would be one.
    option = "tag" if any(output.by_digest for output in outputs) else "destination"
    reading.words += [f"--{option}={name}" for name in tags]
    reading.words += [_passed_on(output, reading.env) for output in outputs if not _is_load(output)]
    if is_pushed and any(output.kind is output_flags.Kind.IMAGE for output in outputs):
        reading.words += ["--push"] if given else []
    reading.words += [] if is_pushed else ["--no-push"]
    if load:
        _load(reading, names)
    return is_pushed


def _outputs(reading: Reading) -> tuple[Output, ...]:
    outputs = tuple(Output.parse(line) for line in lists.unquoted_lines(reading.text("outputs")))
    for output in outputs:
        if output.dest == STDOUT:
            raise UsageError(f"can't honour outputs: {output.text!r} goes to the job's log", hint="name a file with dest=")
    return outputs


def _is_load(output: Output) -> bool:
    """Docker's short form of `load: true`."""
    return output.kind is output_flags.Kind.DOCKER and not output.dest


def _passed_on(output: Output, env: Mapping[str, str]) -> str:
    word = f"--output={output.text}"
    return word if output.dest else _lower(word, env)


def _load(reading: Reading, names: Sequence[str]) -> None:
    if len(set(reading.values("platforms"))) > 1:
        raise UsageError("can't load an image for several platforms", hint="push it, or load one platform in a job of its own")
    if not names or "MASU_LOAD_FILE" not in reading.env:
        raise UsageError(
            "can't load the image: " + ("it has no name" if not names else "masu has no Docker engine here"),
            hint="give tags, and use the composite action" if not names else "write outputs: type=docker,dest=FILE instead",
        )
    reading.add("tar-path", reading.env["MASU_LOAD_FILE"])


def _is_reference(word: str) -> bool:
    return word.startswith(_REFERENCES) and not _DIRECTORY.search(word)


def _lower(word: str, env: Mapping[str, str]) -> str:
    """References are lower case, repositories of GitHub needn't be: `ghcr.io/${{ github.repository }}` is to work."""
    repository = env.get("GITHUB_REPOSITORY", "")
    for part in (f"/{repository}", f"/{repository.partition('/')[0]}/"):
        word = word.replace(part, part.lower(), 1) if repository else word
    return word


def _aevea_tags(reading: Reading) -> Iterator[str]:
    image = reading.text("image")
    if not image:
        return
    base, branch = _in_registry(image, reading), re.sub(r"^refs/(?:heads|tags)/", "", reading.env.get("GITHUB_REF", ""))
    tag = reading.text("tag") or ("latest" if branch == "master" else branch.replace("/", "-")) or "latest"
    yield f"{base}:{tag.removeprefix(reading.text('strip_tag_prefix'))}"
    if reading.bool("tag_with_latest"):
        yield f"{base}:latest"


def _in_registry(name: str, reading: Reading) -> str:
    """As aevea/action-kaniko has it: at ghcr.io below the repository's name."""
    registry = reading.text("registry")
    if registry == "ghcr.io":
        return f"{registry}/{reading.env.get('GITHUB_REPOSITORY', '').lower()}/{name}"
    return f"{registry}/{name}" if registry not in ("", "docker.io") else name


def _attestations(reading: Reading) -> None:
    """Provenance names this run as the builder, unless another is named (docker/actions-toolkit, src/buildx/build.ts)."""
    if text := reading.text("provenance"):
        reading.add("provenance", text if text in _FALSE else _with_builder("" if text in _TRUE else text, reading.env))
    for value in reading.values("attests"):
        reading.add("attest", _with_builder(value, reading.env) if "type=provenance" in value else value)


def _with_builder(attributes: str, env: Mapping[str, str]) -> str:
    if "builder-id=" in attributes or "disabled=" in attributes:
        return attributes
    server, repository = env.get("GITHUB_SERVER_URL", "https://github.com"), env.get("GITHUB_REPOSITORY", "")
    attempt = env.get("GITHUB_RUN_ATTEMPT", "")
    run = f"{server}/{repository}/actions/runs/{env.get('GITHUB_RUN_ID', '')}{f'/attempts/{attempt}' if attempt else ''}"
    return ",".join(filter(None, (attributes, f"builder-id={run}")))


def _secrets(reading: Reading) -> None:
    for name, text in _pairs(lists.untrimmed_lines(reading.text("secrets"), "secrets"), "secrets", reading):
        reading.secret(name, text)
    for name, source in _pairs(reading.values("secret-files"), "secret-files", reading):
        reading.add("secret", f"id={name},src={source}")
    for name, source in _pairs(reading.values("secret-envs"), "secret-envs", reading):
        if source not in reading.env:
            raise UsageError(f"the secret {name!r} is to come from the variable {source!r}, which is not set")
        reading.add("secret", f"id={name},env={source}")


def _pairs(values: Sequence[str], where: str, reading: Reading) -> Iterator[tuple[str, str]]:
    """Those that have a value, which is in no message; that others have none is noted, as docker's action does."""
    for text in values:
        name, equals, value = text.partition("=")
        if not name or not equals:
            hint = "put a value that has several lines in double quotes"
            raise UsageError(f"a line of the input {where!r} is not ID=VALUE", hint=hint)
        if value:
            yield name.strip(), value
        else:
            reading.notes.append(f"{where}: {name.strip()!r} is empty and left out; {_OF_FORKS}")


def _cache(reading: Reading, *, is_pushed: bool) -> None:
    """A build that pushes nothing, as of a pull request, may have no right to: it reads the cache only, unless that is named."""
    is_named = any(reading.text(name) for name in ("cache-repository", "cache_registry", "no-push-cache"))
    if reading.bool("cache") and not is_pushed and not is_named:
        reading.add("no-push-cache", "true")
    if (given := reading.bool("no-cache")) is not None:
        reading.add("no-cache", "true" if given else "false")
    for name in ("cache-from", "cache-to"):
        for value in reading.values(name):
            if _GITHUB_CACHE.search(value):
                reading.notes.append(
                    f"{name}: type=gha is left out: masu keeps layers in a registry, see the inputs cache and cache-repository"
                )
            else:
                reading.add(name, value)
    if name := reading.text("cache_registry"):
        reading.add("cache-repo", _in_registry(name, reading) if reading.text("registry") == "ghcr.io" else name)
    for name, option in (("cache_ttl", "cache-ttl"), ("cache_directory", "cache-dir")):
        if text := reading.text(name):
            reading.add(option, text)


def _login(reading: Reading) -> None:
    """A login of the inputs goes before those that the job made."""
    registry, password, job = _registry(reading), reading.text("password"), _job_logins(reading.env)
    # What a credential helper has answered the runner knows nothing of.
    reading.masked += [str(login.get(key, "")) for login in job["auths"].values() for key in ("password", "identitytoken")]
    if not registry:
        if password:
            raise UsageError("the input password is given without registry", hint="name the registry's host")
        return
    password = password or (reading.text("github-token") if _is_githubs(registry, reading.env) else "")
    if not password:
        reading.notes.append(f"there is no login at {registry}: the input password is empty; {_OF_FORKS}")
        return
    user = reading.text("username") or reading.env.get("GITHUB_ACTOR", "")
    key = "https://index.docker.io/v1/" if registry == "docker.io" else registry
    auth = base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()
    reading.masked += [password, auth]
    logins = {**job, "auths": {**job["auths"], key: {"auth": auth}}}
    logins["credHelpers"] = {host: helper for host, helper in job["credHelpers"].items() if host != registry}
    reading.variables["DOCKER_AUTH_CONFIG"] = json.dumps(logins)


def _registry(reading: Reading) -> str:
    """Where to log in; with aevea/action-kaniko's inputs a password alone is for Docker Hub."""
    is_aeveas = reading.text("image") and reading.text("password")
    return reading.text("registry") or ("docker.io" if is_aeveas else "")


def _is_githubs(registry: str, env: Mapping[str, str]) -> bool:
    """Whether the job's token is for this registry: it must be shown to no other."""
    server = env.get("GITHUB_SERVER_URL", "https://github.com").partition("://")[2]
    return registry == server or registry.endswith(f".{server}") or (registry, server) == ("ghcr.io", "github.com")


def _job_logins(env: Mapping[str, str]) -> dict[str, Any]:
    text = env.get("DOCKER_AUTH_CONFIG", "")
    try:
        found = json.loads(text) if text else {}
    except ValueError as error:
        raise UsageError("the job's docker config is no JSON", hint="look at ~/.docker/config.json of the runner") from error
    auths, helpers = ((found.get(key) or {}) if isinstance(found, dict) else None for key in ("auths", "credHelpers"))
    if (
        not isinstance(auths, dict)
        or not isinstance(helpers, dict)
        or not all(isinstance(login or {}, dict) for login in auths.values())
    ):
        raise UsageError("the job's docker config has another form", hint="look at ~/.docker/config.json of the runner")
    return {**found, "auths": {host: login for host, login in auths.items() if login}, "credHelpers": helpers}


def _rest(reading: Reading) -> None:
    for platform in reading.values("platforms"):
        reading.add("custom-platform", platform)
    for value in reading.values("allow"):
        if value != "network.host":  # which every RUN has
            reading.add("allow", value)
    if reading.bool("skip_unchanged_digest"):
        reading.add("reproducible", "true")
    reading.bool("pull")  # registries are asked in any case
    if reading.env.get("RUNNER_DEBUG") == "1" and not reading.text("verbosity"):
        reading.add("verbosity", "debug")
