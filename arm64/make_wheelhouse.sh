#!/usr/bin/env bash
# Make a folder that installs bonefx on a machine without internet: our wheel, and all that it needs.
#
#   arm64/make_wheelhouse.sh ARCH [FOLDER]      ARCH: aarch64, x86_64; FOLDER: default wheelhouse-ARCH
#
# From the environment: PYTHON_VERSION of the device (3.11: Bookworm; 3.13: Trixie), EXTRAS, CONSTRAINTS,
# ALSO (further packages), and PYTHON, which runs pip here. FOLDER is made anew each time.
set -euo pipefail
cd "$(dirname "$0")/.."
ARCH=${1:?ARCH is missing: aarch64 or x86_64}
FOLDER=${2:-wheelhouse-$ARCH}
PYTHON=${PYTHON:-python3}
PYTHON_VERSION=${PYTHON_VERSION:-3.11}
EXTRAS=${EXTRAS:-codecs}
CONSTRAINTS=${CONSTRAINTS:-constraints.txt}
read -ra ALSO <<<"${ALSO:-}"
NOTE=INSTALL.txt

die() { echo "error: $*" >&2; exit 1; }

[[ $ARCH == aarch64 || $ARCH == x86_64 ]] ||
  die "expected ARCH aarch64 or x86_64, got $ARCH; for 32-bit ARM there are no wheels of LiteRT or OpenCV"
[[ $PYTHON_VERSION =~ ^3\.1[123]$ ]] || die "expected PYTHON_VERSION 3.11 to 3.13, got $PYTHON_VERSION"
if [[ -e $FOLDER && ! -e $FOLDER/$NOTE ]]; then
  die "expected no $FOLDER, or a wheelhouse (with $NOTE); it is something else: name another folder"
fi

# Beside it, and moved there when it is whole: a wheelhouse that lacks one wheel is found out in the clinic.
NEW=$FOLDER.new
trap 'rm -rf "$NEW"' EXIT
rm -rf "$NEW"
mkdir -p "$NEW"
"$PYTHON" -m pip wheel --quiet --no-deps --wheel-dir "$NEW" .
OURS=$(basename "$NEW"/bonefx-*.whl)

# Every glibc from that of 2014 to that of Bookworm, 2.36; Trixie's is newer and runs these too.
platforms=(--platform "manylinux2014_$ARCH")
for minor in $(seq 17 36); do
  platforms+=(--platform "manylinux_2_${minor}_$ARCH")
done
"$PYTHON" -m pip download --quiet --only-binary :all: --python-version "$PYTHON_VERSION" \
  "${platforms[@]}" --constraint "$CONSTRAINTS" --dest "$NEW" "./$NEW/$OURS[$EXTRAS]" "${ALSO[@]}"

cat > "$NEW/$NOTE" <<TEXT
On the device ($ARCH, Python $PYTHON_VERSION, its package python3-venv installed), no internet needed; in this folder:
python3 -m venv ~/bonefx && ~/bonefx/bin/pip install --no-index --find-links . "bonefx[$EXTRAS]"
~/bonefx/bin/edge-admin doctor
TEXT
rm -rf "$FOLDER"
mv "$NEW" "$FOLDER"
trap - EXIT
echo "made $FOLDER: $(find "$FOLDER" -name '*.whl' | wc -l) wheels, $(du -sh "$FOLDER" | cut -f1), Python $PYTHON_VERSION"
