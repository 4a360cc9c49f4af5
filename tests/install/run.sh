#!/usr/bin/env bash
# Run the install steps of README.md and docs/install.md, as they stand there, in a fresh Debian 12.
#
#   tests/install/run.sh [WORK]        WORK: default build/install
#
# Needs root, debootstrap and the internet. A step is a code block after the line
# `<!-- run: tests/install -->`. Packages of Debian come from this machine's mirror, or $MIRROR;
# Python packages from a wheelhouse that is made here, so the root needs no index.
# From the environment: PYTHON, which runs pip here.
set -euo pipefail
cd "$(dirname "$0")/../.."
WORK=${1:-build/install}
BASE=$WORK/debian ROOT=$WORK/root WHEELS=$WORK/wheels
SUITE=bookworm

die() { echo "error: $*" >&2; exit 1; }
[[ $EUID -eq 0 ]] || die "expected to be root (debootstrap, chroot and mounts need it); run with sudo"
command -v debootstrap >/dev/null || die "expected debootstrap; run: apt-get install debootstrap"
# Mounts are in a namespace of this script: they go when it ends.
if [[ -z ${BONEFX_IN_NAMESPACE:-} ]]; then
  BONEFX_IN_NAMESPACE=yes exec unshare --mount --propagation private -- "$PWD/tests/install/run.sh" "$WORK"
fi

# steps PAGE: print its marked code blocks, without the indent of a list.
steps() {
  awk '/^ *<!-- run: tests\/install -->$/ { armed = 1; next }
       armed && /^ *```/ { armed = open ? 0 : 1; open = !open; next }
       open' "$1" | sed 's/^   //' | grep . || die "expected marked code blocks in $1, found none"
}

if [[ ! -e $BASE/finished ]]; then
  MIRROR=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -m 1 '/debian/\?$')} || die "expected a Debian mirror in the apt sources; set MIRROR"
  rm -rf --one-file-system "$BASE"
  mkdir -p "$BASE"
  # What a Debian server has: minbase lacks these.
  debootstrap --variant=minbase --include=python3,systemd,sudo "$SUITE" "$BASE" "$MIRROR"
  touch "$BASE/finished"
fi
PYTHON=${PYTHON:-python3} PYTHON_VERSION=3.11 arm64/make_wheelhouse.sh "$(uname -m)" "$WHEELS"
rm -rf --one-file-system "$ROOT"
cp -a "$BASE" "$ROOT"

mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mkdir -p "$ROOT/wheels" "$ROOT/steps"
mount --bind -o ro "$WHEELS" "$ROOT/wheels"
printf '[global]\nno-index = true\nfind-links = /wheels\n' >"$ROOT/etc/pip.conf"
cp "$WHEELS"/bonefx-*.whl demo/radiographs/fractured/hand-1410.jpg "$ROOT/steps"
mv "$ROOT/steps/hand-1410.jpg" "$ROOT/steps/film.jpg"

inside() {
  chroot "$ROOT" /usr/bin/env -i HOME=/root LANG=C.UTF-8 SYSTEMD_OFFLINE=1 PATH=/usr/bin:/bin:/usr/sbin:/sbin \
    DEBIAN_FRONTEND=noninteractive bash -c "cd /steps && $1"
}
# No systemd runs here: systemctl enables the service and leaves the rest out.
echo 'Defaults env_keep += "SYSTEMD_OFFLINE"' >"$ROOT/etc/sudoers.d/offline"
echo "127.0.0.1 localhost $(uname -n)" >"$ROOT/etc/hosts"
# The accounts that the page names, and one that has no right.
inside 'for name in scanner alice mallory; do useradd --create-home $name; done'
inside 'apt-get update --quiet=2'
for page in README.md docs/install.md; do
  echo "== the steps of $page"
  steps "$page" | sed 's/apt-get install/apt-get install --yes/' >"$ROOT/steps/steps.sh"
  inside 'bash -euxo pipefail steps.sh'
done

echo "== the service, started as systemd would start it"
inside '
  set -euo pipefail
  systemctl is-enabled bonefx-watch
  install --directory --owner bonefx --group bonefx --mode 0750 /var/lib/bonefx
  su scanner -c "umask 0027; cp /steps/film.jpg /srv/incoming/"
  command=$(sed -n "s/^ExecStart=//p" /etc/systemd/system/bonefx-watch.service)
  su bonefx --shell /bin/sh -c "umask 0027; exec $command --once"
  su alice -c "cat /var/lib/bonefx/*.json" | grep -q bonefx.result || exit 1
  if su alice -c "ls /var/lib/bonefx/journal" 2>/dev/null; then echo "alice reads the journal"; exit 1; fi
  if su mallory -c "ls /var/lib/bonefx" 2>/dev/null; then echo "mallory reads results"; exit 1; fi
'
echo "== all steps worked; results are for the group, the journal for the service alone"
