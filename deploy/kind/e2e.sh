#!/bin/sh
# Two kind clusters over one PostgreSQL, the controller deployed to both as a user would, and K-100 to K-103 on them:
#
#   npm run test:kind
#
# It needs docker, kind and kubectl, and some 4 GB of memory. It removes what it made, also after a failure or Ctrl-C,
# but for the image; KEEP=1 keeps everything, to look at. BUILD_IMAGE, RUN_IMAGE, STORAGE_IMAGE, NODE_IMAGE: others than
# those below, for a mirror, say.
set -eu
cd "$(dirname "$0")/../.."

fail() {
  echo "e2e: $*" >&2
  exit 1
}

missing=""
for tool in docker kind kubectl; do
  command -v "$tool" > /dev/null || missing="$missing $tool"
done
[ -z "$missing" ] || fail "needs docker, kind and kubectl; not found:$missing"
docker info > /dev/null 2>&1 || fail "no container engine answers: see docker info"

name="tenure-e2e-$(date +%s)-$$"
work=$(mktemp -d)

# in_cluster a|b ARGUMENTS...
in_cluster() {
  cluster=$1
  shift
  kubectl --kubeconfig "$work/$cluster.yaml" "$@"
}

# What an investigation starts from.
tell() {
  for each in a b; do
    [ -s "$work/$each.yaml" ] || continue
    echo "--- cluster $each" >&2
    in_cluster "$each" get pods,events,leases,multiclusterleases --all-namespaces >&2 || true
    in_cluster "$each" logs -n tenure-system -l app.kubernetes.io/name=tenure-controller --prefix --tail 100 >&2 || true
  done
}

finish() {
  status=$?
  trap - EXIT
  trap '' INT TERM HUP # a second Ctrl-C would leave clusters behind
  [ "$status" -eq 0 ] || [ "$status" -gt 128 ] || tell
  if [ -n "${KEEP:-}" ]; then
    echo "e2e: kept: kind clusters $name-a and $name-b, container $name-storage, kubeconfigs in $work" >&2
    exit "$status"
  fi
  for each in a b; do kind delete cluster --name "$name-$each" --kubeconfig "$work/$each.yaml" || true; done
  docker rm --force --volumes "$name-storage" > /dev/null 2>&1 || true
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

step() { printf '\n=== %s\n' "$*"; }

# by_digest IMAGE: the same image by its digest, as the engine has it.
by_digest() {
  case "$1" in
    *@sha256:*) echo "$1" ;;
    *) docker pull --quiet "$1" > /dev/null && docker image inspect --format '{{index .RepoDigests 0}}' "$1" ;;
  esac
}

step image
build_image=$(by_digest "${BUILD_IMAGE:-node:24-bookworm-slim}")
run_image=$(by_digest "${RUN_IMAGE:-gcr.io/distroless/nodejs24-debian12:nonroot}")
storage_image=$(by_digest "${STORAGE_IMAGE:-postgres:17-alpine}")
printf 'built with %s\nruns in    %s\nstorage    %s\n' "$build_image" "$run_image" "$storage_image"
DOCKER_BUILDKIT=1 docker build --file deploy/Containerfile --tag tenure:e2e \
  --build-arg BUILD_IMAGE="$build_image" --build-arg RUN_IMAGE="$run_image" .
docker run --rm --read-only --network none tenure:e2e controller --help > /dev/null
if docker run --rm --network none --entrypoint sh tenure:e2e -c true 2> /dev/null; then
  fail "the image has a shell: it is not for production"
fi

step clusters
for each in a b; do
  kind create cluster --name "$name-$each" --kubeconfig "$work/$each.yaml" --wait 180s \
    ${NODE_IMAGE:+--image "$NODE_IMAGE"}
  kind load docker-image tenure:e2e --name "$name-$each"
done

step storage
POSTGRES_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
export POSTGRES_PASSWORD
docker run --detach --name "$name-storage" --network kind --publish 127.0.0.1::5432 \
  --env POSTGRES_PASSWORD --env POSTGRES_DB=tenure "$storage_image" > /dev/null
tries=60
until docker exec "$name-storage" pg_isready --quiet --host 127.0.0.1 --username postgres --dbname tenure; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || fail "PostgreSQL does not answer: $(docker logs "$name-storage" 2>&1 | tail -20)"
  sleep 1
done
inside="$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' "$name-storage"):5432"
outside=$(docker port "$name-storage" 5432/tcp)
url_at() { printf 'postgres://postgres:%s@%s/tenure?ssl=disable' "$POSTGRES_PASSWORD" "$1"; }

step controllers
for each in a b; do
  in_cluster "$each" apply -f deploy/crd.yaml
  in_cluster "$each" wait --for condition=Established --timeout 60s \
    crd/multiclusterleases.multicluster.core.cnrm.cloud.google.com
  in_cluster "$each" apply -f deploy/base/namespace.yaml
  # Without TLS: it does not leave the network of the engine.
  url_at "$inside" |
    in_cluster "$each" create secret generic tenure-storage -n tenure-system --from-file=url=/dev/stdin
  in_cluster "$each" apply -k deploy/overlays/kind
done
for each in a b; do
  in_cluster "$each" rollout status -n tenure-system deployment/tenure-controller --timeout 180s
done

step 'K-100 to K-103'
CI=1 TENURE_TEST_KIND="$name-a=$work/a.yaml,$name-b=$work/b.yaml" TENURE_TEST_KIND_STORAGE="$(url_at "$outside")" \
  node node_modules/vitest/vitest.mjs run --project servers test/servers/deployed-clusters.test.ts
step 'all is well'
