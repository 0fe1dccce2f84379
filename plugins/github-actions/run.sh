#!/usr/bin/env bash
# Runs masu's image with the job's inputs, logins and workspace, and hands over what it leaves: outputs, summary, an archive to load.
# Only the workspace is mounted: a RUN can reach what is mounted, and the runner's own files are not for it.
set -euo pipefail

fail() { # fail MESSAGE
  echo "::error title=masu::$1"
  exit 1
}

command -v docker >/dev/null || fail "this runner has no docker command. Where there is no Docker engine (ARC in kubernetes mode), \
make masu's image the job's container and run /kaniko/executor in it: see the README of this action"
docker version --format '{{.Server.Version}}' >/dev/null || fail "the docker command reaches no Docker engine. Give the job one \
(ARC: containerMode dind), or make masu's image the job's container: see the README of this action"

image=${MASU_IMAGE:-ghcr.io/${MASU_ACTION_REPOSITORY,,}:$MASU_ACTION_REF}
[[ $image != ghcr.io/:* ]] || fail "the action is used from a directory, so its image isn't known: give the input step-image"

host_path() { # host_path DIRECTORY: where the engine finds it; in a job's container that is another place
  local place=$1 best=0 source destination
  while IFS='|' read -r source destination; do
    if [[ -n $destination && ($1 == "$destination" || $1 == "$destination"/*) && ${#destination} -gt $best ]]; then
      best=${#destination} place=$source${1#"$destination"}
    fi
  done < <(docker inspect --format '{{range .Mounts}}{{.Source}}|{{.Destination}}{{"\n"}}{{end}}' "${MASU_JOB_CONTAINER:-$(hostname)}" 2>/dev/null || true)
  echo "$place"
}

logins() { # the docker config with what its credential helpers answer in their place: they are programs of this runner
  local config=$1 helper host answer
  command -v jq >/dev/null || {
    echo "::warning title=masu::the docker config names credential helpers, and without jq on this runner they can't be asked" >&2
    cat "$config"
    return
  }
  local result
  result=$(jq -c 'del(.credsStore, .credHelpers)' "$config")
  while IFS=$'\t' read -r host helper; do
    # No pipe, which would fail with a helper that ends without reading.
    answer=$("docker-credential-$helper" get 2>/dev/null < <(printf %s "$host")) || continue
    # Others count where one answers something else.
    result=$(jq -c --arg host "$host" --argjson answer "$answer" 'if ($answer.Secret // "") == "" then . else
      .auths[$host] = if $answer.Username == "<token>" then {identitytoken: $answer.Secret}
      else {username: $answer.Username, password: $answer.Secret} end end' <<<"$result" 2>/dev/null || echo "$result")
  done < <(
    store=$(jq -r '.credsStore // empty' "$config")
    [[ -z $store ]] || "docker-credential-$store" list 2>/dev/null | jq -r --arg store "$store" 'keys[] | [., $store] | @tsv' || true
    jq -r '.credHelpers // {} | to_entries[] | [.key, .value] | @tsv' "$config"
  )
  echo "$result"
}

outside() { # outside INPUT...: absolute paths in these inputs that the container doesn't share with the runner
  local path mount # mounted has the places where it does
  while IFS= read -r path; do
    for mount in /dev "${mounted[@]}"; do [[ $path/ != "$mount"/* ]] || continue 2; done
    echo "$path"
  done < <({ printenv "${@/#/INPUT_}" || true; } | grep -vE '^ *https?://' | grep -oE '(^ *|[=,"])/[^,"]+' | sed -E 's|^[^/]*||; s|[/ \r]*$||')
}

config=${DOCKER_CONFIG:-$HOME/.docker}/config.json
if [[ -z ${DOCKER_AUTH_CONFIG:-} && -f $config ]]; then
  if grep -Eq '"(credsStore|credHelpers)"' "$config"; then DOCKER_AUTH_CONFIG=$(logins "$config"); else DOCKER_AUTH_CONFIG=$(<"$config"); fi
  export DOCKER_AUTH_CONFIG
fi

arguments=(--workdir "$GITHUB_WORKSPACE" --volume "$(host_path "$GITHUB_WORKSPACE"):$GITHUB_WORKSPACE")
[[ -z ${MASU_JOB_NETWORK:-} || ${MASU_DOCKER_RUN_ARGS:-} == *--network* ]] || arguments+=(--network "$MASU_JOB_NETWORK")
while IFS= read -r line; do [[ -z ${line// /} ]] || arguments+=("$line"); done <<<"${MASU_DOCKER_RUN_ARGS:-}"

# Variables of the job that the inputs name: ID=VARIABLE of secret-envs, and KEY alone of build-args.
named=" $(
  tr ',\n' '  ' <<<"${MASU_SECRET_ENVS:-}" | tr -s ' ' '\n' | sed -n 's/^[^=]*=//p' | tr '\n' ' '
  { printenv INPUT_BUILD-ARGS || true; } | sed -En 's/^[ "]*([A-Za-z_][A-Za-z0-9_]*)[ "\r]*$/\1/p' | tr '\n' ' '
) "
while IFS='=' read -r -d '' name _; do
  case $name in
    GITHUB_ENV | GITHUB_PATH | GITHUB_STATE | GITHUB_OUTPUT | GITHUB_STEP_SUMMARY) ;; # the runner's own files
    INPUT_* | GITHUB_* | RUNNER_* | ACTIONS_* | AWS_* | AZURE_* | GOOGLE_* | MASU_* | KANIKO_* | DOCKER_AUTH_CONFIG | DOCKER_BUILD_* | \
      CI | SOURCE_DATE_EPOCH | GIT_TOKEN | GIT_USERNAME | GIT_PASSWORD | GIT_PULL_METHOD | S3_ENDPOINT | S3_FORCE_PATH_STYLE | \
      IDENTITY_ENDPOINT | IDENTITY_HEADER | GCE_METADATA_* | *_proxy | *_PROXY) arguments+=(--env "$name") ;;
    *) [[ $named != *" $name "* ]] || arguments+=(--env "$name") ;;
  esac
done < <(env -0)

handed=() # files that name an identity, wherever the job has them
for name in GOOGLE_APPLICATION_CREDENTIALS AWS_WEB_IDENTITY_TOKEN_FILE AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE AZURE_FEDERATED_TOKEN_FILE \
  AWS_SHARED_CREDENTIALS_FILE AWS_CONFIG_FILE REGISTRY_AUTH_FILE; do
  if [[ -f ${!name:-} && ${!name} != "$GITHUB_WORKSPACE"/* ]]; then
    handed+=("${!name}" "/kaniko/$name")
    arguments+=(--env "$name=/kaniko/$name")
  fi
done
if [[ -S ${SSH_AUTH_SOCK:-} && -n ${MASU_SSH:-} ]]; then
  arguments+=(--volume "$(host_path "$SSH_AUTH_SOCK"):/kaniko/ssh-agent" --env SSH_AUTH_SOCK=/kaniko/ssh-agent)
fi

out=$(mktemp -d)
container=
finish() {
  [[ -z $container ]] || docker rm --force "$container" >/dev/null 2>&1 || true
  rm -rf "$out"
}
trap finish EXIT
trap 'exit 130' INT # as soon as docker has made the container, for which it may pull the image: nothing is started then
entries=$(ls -A "$GITHUB_WORKSPACE" | wc -l)
container=$(docker create "${arguments[@]}" --env "MASU_WORKSPACE_ENTRIES=${entries// /}" --env MASU_LOAD_FILE=/kaniko/out/image.tar \
  --env GITHUB_OUTPUT=/kaniko/out/output --env GITHUB_STEP_SUMMARY=/kaniko/out/summary "$image" step github) ||
  fail "docker can't make a container of $image, and says why above. The input step-image names another image, a private one \
wants docker/login-action in a step before; docker-run-args adds arguments"
for ((index = 0; index < ${#handed[@]}; index += 2)); do
  docker cp --follow-link "${handed[index]}" "$container:${handed[index + 1]}" >/dev/null
done
mapfile -t mounted < <(docker inspect --format '{{range .Mounts}}{{.Destination}}{{"\n"}}{{end}}' "$container" | sed '/^$/d')
while IFS= read -r path; do # in an archive, with which docker makes the directories on the way, too
  [[ ! -e $path ]] || tar -c $([[ -d $path ]] || echo --dereference) -f - -C / -- "${path#/}" | docker cp - "$container:/" >/dev/null
done < <(outside CONTEXT FILE BUILD-CONTEXTS SECRET-FILES CACHE-FROM)

# The runner signals this shell alone. A signal ends the wait, not the container, which ends by itself then.
trap 'docker kill --signal INT "$container" >/dev/null 2>&1 || true' INT
trap 'docker kill --signal TERM "$container" >/dev/null 2>&1 || true' TERM
docker start --attach "$container" &
client=$! code=0
wait "$client" || code=$?
while kill -0 "$client" 2>/dev/null; do
  code=0
  wait "$client" || code=$?
done
trap - INT TERM

docker cp "$container:/kaniko/out/." "$out" >/dev/null 2>&1 || true # nothing is there when masu was killed
for name in image.tar output summary; do # a RUN may have left a link there, which would lead to a file of the runner
  [[ ! -L $out/$name ]] || rm "$out/$name"
done
if [[ -f $out/image.tar && $code == 0 ]]; then docker load --input "$out/image.tar"; fi
[[ ! -f $out/output ]] || cat "$out/output" >>"$GITHUB_OUTPUT"
[[ ! -f $out/summary ]] || cat "$out/summary" >>"$GITHUB_STEP_SUMMARY"
[[ $code == 0 && -f $out/output ]] || exit "$code"
while IFS= read -r path; do
  mkdir -p "${path%/*}/"
  docker cp "$container:$path" - | tar -x --no-same-owner -f - -C "${path%/*}/" || fail "$path can't be taken out of masu's container"
  [[ ! -L $path ]] || rm "$path" # it would lead to a file of the runner
done < <(outside OUTPUTS CACHE-TO TAR-PATH OCI-LAYOUT-PATH DIGEST-FILE IMAGE-NAME-WITH-DIGEST-FILE IMAGE-NAME-TAG-WITH-DIGEST-FILE \
  IIDFILE SBOM-FILE)
