#!/bin/sh
# Installs what compiles the bridge for an architecture into the build stage, and writes /toolchain, which says how.
#   toolchain.sh amd64|arm64
set -eu

arch=${1:?amd64 or arm64}
case $arch in
amd64) gnu=x86_64-linux-gnu ;;
arm64) gnu=aarch64-linux-gnu ;;
*) echo "toolchain.sh: $arch is none of amd64 and arm64" >&2; exit 64 ;;
esac

export DEBIAN_FRONTEND=noninteractive
own=$(dpkg --print-architecture)
if [ "$arch" = "$own" ]; then
    compiler=gcc tools=gcc prefix=
else
    compiler="gcc-$(echo "$gnu" | tr _ -)" tools=$gnu-gcc prefix=$gnu-
    dpkg --add-architecture "$arch"
fi
install='apt-get install -y -qq --no-install-recommends'
apt-get update -qq
# The libraries of the image are those of this stage: with all that was mended since the base was made.
apt-get upgrade -y -qq
$install make binutils pkg-config python3 ca-certificates "$compiler" "libc6-dev:$arch"
# shellcheck disable=SC2046
$install $(make -s libraries | tr ' ' '\n' | sed "s/.*/&:$arch/")
cat > /toolchain <<EOF
export CC=$tools
export PKG_CONFIG_LIBDIR=/usr/lib/$gnu/pkgconfig:/usr/share/pkgconfig
GNU=$gnu
STRIP=${prefix}strip
EOF
