#!/usr/bin/env bash
# Makes the front ends' containers anew from the sources, with nothing of what was there before.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
known=(igny8_frontend igny8_marketing_dev igny8_sites)
patience=180

usage() {
    cat <<'TEXT'
frontend/rebuild.sh [--dev] [SERVICE…] — remove the front ends' containers and images, build them without a cache, start them

  frontend/rebuild.sh                        igny8_frontend, igny8_marketing_dev and igny8_sites
  frontend/rebuild.sh igny8_sites            one of them
  frontend/rebuild.sh --dev igny8_frontend   the app's development server (docker-compose.dev.yml)

It may be called from any folder, and stops at the first failure. COMPOSE_FILE and COMPOSE_PROJECT_NAME mean what they mean
to compose. Exit codes: 0 all of them are healthy; 1 something failed; 2 the command line is wrong.
TEXT
}

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'frontend/rebuild.sh: %s\n' "$*" >&2; exit 1; }
wrong() { printf 'frontend/rebuild.sh: %s (see frontend/rebuild.sh --help)\n' "$*" >&2; exit 2; }

export COMPOSE_FILE=${COMPOSE_FILE:-$root/docker-compose.app.yml}
services=()
for argument in "$@"; do
    case $argument in
        --help | -h) usage; exit 0 ;;
        --dev) COMPOSE_FILE+=${COMPOSE_PATH_SEPARATOR:-:}$root/docker-compose.dev.yml ;;
        *)
            [[ " ${known[*]} " == *" $argument "* ]] || wrong "there is no front end $argument; there are: ${known[*]}"
            services+=("$argument")
            ;;
    esac
done
[ ${#services[@]} -gt 0 ] || services=("${known[@]}")

command -v docker >/dev/null || fail "docker is missing"
compose=(docker compose)
"${compose[@]}" version >/dev/null 2>&1 || compose=(docker-compose)
"${compose[@]}" version >/dev/null 2>&1 || fail "docker compose is missing"
cd -- "$root"
version=${IGNY8_VERSION:-latest}

# image SERVICE: the image that the service runs.
image() {
    case $1 in
        igny8_frontend) [[ $COMPOSE_FILE == *docker-compose.dev.yml* ]] && echo "igny8-frontend-dev:$version" || echo "igny8-frontend:$version" ;;
        igny8_marketing_dev) echo "igny8-marketing-dev:$version" ;;
        igny8_sites) echo "igny8-sites:$version" ;;
    esac
}

# With -v, since the packages of an older image would live on in the anonymous volume.
say "removing the containers of ${services[*]}"
"${compose[@]}" rm --stop --force -v "${services[@]}"

for service in "${services[@]}"; do
    name=$(image "$service")
    if docker image inspect "$name" >/dev/null 2>&1; then
        say "removing the image $name"
        docker image rm --force "$name"
    fi
done

say "building ${services[*]} without a cache"
"${compose[@]}" build --no-cache "${services[@]}"

say "starting ${services[*]}"
"${compose[@]}" up --detach --no-deps --no-build --renew-anon-volumes "${services[@]}"

say "waiting until they are healthy"
for service in "${services[@]}"; do
    began=$SECONDS
    until [ "$(docker inspect --format '{{.State.Health.Status}}' "$("${compose[@]}" ps -q "$service")")" = healthy ]; do
        [ $((SECONDS - began)) -lt "$patience" ] || fail "$service is not healthy after $patience s; see: ${compose[*]} logs $service"
        sleep 1
    done
    printf '%s runs %s\n' "$service" "$(docker image inspect --format '{{.Id}}' "$(image "$service")")"
done
