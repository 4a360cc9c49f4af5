#!/usr/bin/env bash
# Install the device package on an emulated arm64 Debian without internet, and run what a device runs.
#
#   arm64/test.sh [ROOT]        ROOT: default build/arm64, made by arm64/make_root.sh
#
# From the environment: PYTHON, which runs pip here; BONEFX_DATA, real films, without which tests that
# need them are skipped; PROCESSOR, see arm64/run_in.sh. Two environments in ROOT: /litert, made from
# the wheelhouse that clinics get as its note says, and /tflite.
set -euo pipefail
cd "$(dirname "$0")/.."
source arm64/common.sh
ROOT=${1:-build/arm64}
export PYTHON=${PYTHON:-python3}
WHEELS=build/arm64-wheels
TESTS_NEED="pytest pytest-timeout hypothesis pillow pydicom-data"

arm64/make_root.sh "$ROOT"
inside() { arm64/run_in.sh "$ROOT" "$@"; }
offline() { OFFLINE=yes inside "$@"; }

echo "== wheels"
arm64/make_wheelhouse.sh aarch64 "$WHEELS/litert"
EXTRAS=codecs,tflite-runtime CONSTRAINTS=constraints-tflite.txt ALSO=$TESTS_NEED \
  arm64/make_wheelhouse.sh aarch64 "$WHEELS/tflite"

echo "== what goes into the root"
for name in wheels bonefx litert tflite; do
  rm -rf --one-file-system "${ROOT:?}/$name"
done
mkdir -p "$ROOT"/{wheels,bonefx}
cp -r "$WHEELS"/{litert,tflite} "$ROOT/wheels"
cp -r demo tests benchmarks pyproject.toml "$ROOT/bonefx"
cp arm64/inside.sh "$ROOT/bonefx"

echo "== installed without a network"
for name in litert tflite; do
  offline python3 -m venv "/$name"
done
install=(-m pip install --quiet --no-index --find-links)
offline /litert/bin/python "${install[@]}" /wheels/litert "bonefx[codecs]"
offline /tflite/bin/python "${install[@]}" /wheels/tflite "bonefx[codecs,tflite-runtime]"
# LiteRT comes along as a base dependency; taken out, so that the other is what runs.
offline /tflite/bin/python -m pip uninstall --quiet --yes ai-edge-litert
for name in litert tflite; do
  # shellcheck disable=SC2086 # a list of words
  offline "/$name/bin/python" "${install[@]}" /wheels/tflite $TESTS_NEED
done

# Both are run to the end, so that one report names all that fails.
failed=()
for name in litert tflite; do
  echo "== what a device runs, without a network: $name"
  offline bash /bonefx/inside.sh commands "/$name/bin" || failed+=("commands of $name")
done
for name in litert tflite; do
  # With the network, whose loopback the watching service's tests listen on.
  echo "== device suite: $name"
  inside bash /bonefx/inside.sh suite "/$name/bin" || failed+=("suite of $name")
done
[[ ${#failed[@]} -eq 0 ]] || die "failed: ${failed[*]}"
echo "== all passed on emulated aarch64"
