#!/usr/bin/env bash
# Run one command inside the arm64 root, on the processor of a board; its mounts go when it ends.
#
#   arm64/run_in.sh ROOT COMMAND...
#
# From the environment: PROCESSOR: cortex-a72 (the Raspberry Pi 4; default), cortex-a76 (the 5), or
# unknown; BONEFX_DATA, seen inside as /data, read-only; OFFLINE=yes: no network, not even loopback.
set -euo pipefail
HERE=$(realpath "$(dirname "$0")")
source "$HERE/common.sh"
ROOT=${1:?ROOT is missing, such as build/arm64}
PROCESSOR=${PROCESSOR:-cortex-a72}
shift

# Mounts live in a namespace of this script's own: they are gone with it, however it ends.
if [[ -z ${BONEFX_IN_NAMESPACE:-} ]]; then
  [[ $EUID -eq 0 ]] || die "expected to be root (chroot and mounts need it); run with sudo"
  spaces=(--mount --propagation private)
  [[ -z ${OFFLINE:-} ]] || spaces+=(--net)
  BONEFX_IN_NAMESPACE=yes exec unshare "${spaces[@]}" -- "$HERE/run_in.sh" "$ROOT" "$@"
fi
enable_emulation

mount --bind "$ROOT" "$ROOT" # so that / is a mount inside, as on a board
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
# LiteRT asks /sys and /proc/cpuinfo about the processor. The emulator shows those of the x86
# processor, on which LiteRT 2.3 crashes; without /sys it leaves its XNNPACK kernels out, and int8
# gives other numbers than on a board. So a board's cpuinfo is laid over it.
if [[ $PROCESSOR != unknown ]]; then
  mount --bind -o ro /sys "$ROOT/sys"
  described=$(mktemp "$ROOT/tmp/cpuinfo.XXXXXX")
  describe_processor "$PROCESSOR" "$(nproc --all)" >"$described"
  mount --bind "$described" "$ROOT/proc/cpuinfo"
  rm "$described" # stays until it is unmounted
  export QEMU_CPU=$PROCESSOR
fi
if [[ -n ${BONEFX_DATA:-} ]]; then
  mkdir -p "$ROOT/data"
  mount --bind -o ro "$BONEFX_DATA" "$ROOT/data"
fi
# No `exec`: the mounts are this shell's.
chroot "$ROOT" /usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LANG=C.UTF-8 \
  ${BONEFX_DATA:+BONEFX_DATA=/data} ${QEMU_CPU:+QEMU_CPU="$QEMU_CPU"} "$@"
