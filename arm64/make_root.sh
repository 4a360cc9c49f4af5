#!/usr/bin/env bash
# Make the root folder of a Debian bookworm for arm64, which an x86-64 machine runs under qemu-user.
#
#   arm64/make_root.sh [ROOT]        ROOT: default build/arm64
#
# Needs to be root, and the Debian packages qemu-user-static, debootstrap and binfmt-support. The mirror
# is $MIRROR, or that of this machine's own apt sources. Does nothing where ROOT is finished; begins
# anew where a run was cut off.
set -euo pipefail
cd "$(dirname "$0")/.."
source arm64/common.sh
ROOT=${1:-build/arm64}
SUITE=bookworm # that of Raspberry Pi OS Bookworm: Python 3.11
FINISHED=.bonefx-root-is-finished

if [[ -e $ROOT/$FINISHED ]]; then
  exit 0
fi
# Mounts live in a namespace of this script's own: they are gone with it, however it ends.
if [[ -z ${BONEFX_MAKES_ROOT:-} ]]; then
  [[ $EUID -eq 0 ]] || die "expected to be root (debootstrap, chroot and mounts need it); run with sudo"
  BONEFX_MAKES_ROOT=yes exec unshare --mount --propagation private -- "$PWD/arm64/make_root.sh" "$ROOT"
fi
enable_emulation

if [[ -z ${MIRROR:-} ]]; then
  MIRROR=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -m 1 '/debian/\?$') || die "expected a Debian mirror in the apt sources, found none; set MIRROR"
fi
if [[ -e $ROOT ]]; then
  [[ -e $ROOT/debootstrap || -e $ROOT/etc/debian_version ]] ||
    die "expected no $ROOT, or a half-made one; it holds something else: name another folder"
  rm -rf --one-file-system "$ROOT"
fi
mkdir -p "$ROOT"
debootstrap --arch=arm64 --foreign --variant=minbase --include=python3,python3-venv \
  "$SUITE" "$ROOT" "$MIRROR"
chroot "$ROOT" /debootstrap/debootstrap --second-stage
[[ $(chroot "$ROOT" python3 -c 'import platform; print(platform.machine())') == aarch64 ]] ||
  die "expected Python in $ROOT to say aarch64"
touch "$ROOT/$FINISHED"
echo "made $ROOT"
