#!/bin/sh
# Builds the images: `make image`. By Docker's buildx (IMAGE_ENGINE=docker); or by buildah, whose chroot isolation needs
# neither an engine nor a network of its own, over a base that debootstrap makes from Debian's packages: as root.
#
#   build.sh ARCH...        amd64, arm64
#
# What comes out: propexo-bridge:VERSION-ARCH and propexo-bridge-simulator:VERSION-ARCH, where images are kept; buildah's
# also as build/image/NAME-VERSION-ARCH.tar, for `docker load`. BASE chooses another base than the Dockerfile's.
set -eu

cd "$(dirname "$0")/.."
engine=${IMAGE_ENGINE:?docker or buildah}
version=$(make -s version)
out=build/image

# options ARCH TARGET TAG: what both engines are told alike.
options() {
    epoch=$(git log -1 --format=%ct 2>/dev/null || date +%s)
    echo "--platform linux/$1 --target $2 --tag $3 --file docker/Dockerfile
        --build-arg VERSION=$version --build-arg REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)
        --build-arg CREATED=$(date --utc --date="@$epoch" +%Y-%m-%dT%H:%M:%SZ)"
}

in_store() {
    command=$1
    shift
    buildah --root "$PWD/$out/storage" --runroot "$PWD/$out/run" "$command" "$@"
}

make_base() {
    rm -rf "$out/base"
    debootstrap --variant=minbase bookworm "$out/base" >"$out/debootstrap.log"
    container=$(in_store from scratch)
    in_store add --quiet "$container" "$out/base" / >/dev/null
    in_store commit --quiet --rm "$container" "$1" >/dev/null
    rm -rf "$out/base"
}

# shellcheck disable=SC2046
by_docker() {
    docker buildx build --load $(options "$1" "$2" "$3:$version-$1") ${BASE:+--build-arg BASE="$BASE"} .
}

# Docker's format: OCI's has no health check. BUILDPLATFORM: buildah 1.28 does not set it.
# shellcheck disable=SC2046
by_buildah() {
    tag=$3:$version-$1
    archive=$out/$3-$version-$1.tar
    in_store build --isolation chroot --format docker --layers --pull=never $(options "$1" "$2" "localhost/$tag") \
        --build-arg BUILDPLATFORM="linux/$(dpkg --print-architecture)" --build-arg BASE="$BASE" .
    rm -f "$archive"
    in_store push --quiet "localhost/$tag" "docker-archive:$archive:$tag"
}

mkdir -p "$out"
if [ "$engine" = buildah ] && [ -z "${BASE:-}" ]; then
    BASE=localhost/propexo-bridge-base:bookworm
    in_store inspect --type image "$BASE" >/dev/null 2>&1 || make_base "$BASE"
fi
for arch in "$@"; do
    "by_$engine" "$arch" bridge propexo-bridge
    "by_$engine" "$arch" simulator propexo-bridge-simulator
done
