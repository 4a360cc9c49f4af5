#!/usr/bin/env bash
# Classify the same images with every runtime, here and on emulated arm64; write how far they differ:
# benchmarks/reference/runtimes.json and .md.
#
#   arm64/bench.sh [ROOT]        ROOT: default build/arm64, as arm64/test.sh left it
#
# From the environment: BONEFX_DATA, with FracAtlas; LITERT and TFLITE, the pythons here; FILMS,
# in the mode whole, and FILMS_TILED, in the default mode, which runs the network up to 17 times.
set -euo pipefail
cd "$(dirname "$0")/.."
source arm64/common.sh
ROOT=${1:-build/arm64}
: "${BONEFX_DATA:?expected the folder that holds fracatlas}"
LITERT=${LITERT:-.venv-dev/bin/python}
TFLITE=${TFLITE:-.venv-tflite/bin/python}
FILMS=${FILMS:-200}
FILMS_TILED=${FILMS_TILED:-200}
OUT=build/runtimes
[[ -x $ROOT/litert/bin/python ]] || die "expected $ROOT/litert; run make test-arm64 first"
cp benchmarks/runtimes.py "$ROOT/bonefx/benchmarks/"
rm -rf "$OUT" "$ROOT/bonefx/runtimes"
mkdir -p "$OUT"

here() { # NAME PYTHON MODE FILMS MODEL...
  "$2" benchmarks/runtimes.py "${@:5}" --data "$BONEFX_DATA/fracatlas" --mode "$3" --films "$4" \
    --out "$OUT/$1-$3.json"
}
there() { # NAME PROCESSOR PLACE MODE FILMS MODEL...
  PROCESSOR=$2 arm64/run_in.sh "$ROOT" "/${1%%-*}/bin/python" /bonefx/benchmarks/runtimes.py "${@:6}" \
    --data /data/fracatlas --mode "$4" --films "$5" --place "qemu-user, $3" \
    --out "/bonefx/runtimes/$1-$4.json"
}

# The order of the columns of the table.
names=()
for mode in whole tiled; do
  models=(lite0-int8 lite0-float16 seed-int8) films=$FILMS
  [[ $mode == whole ]] || models=(lite0-int8) films=$FILMS_TILED
  here x86-litert "$LITERT" $mode "$films" "${models[@]}"
  here x86-tflite "$TFLITE" $mode "$films" "${models[@]}"
  there litert-a72 cortex-a72 Cortex-A72 $mode "$films" "${models[@]}"
  there tflite-a72 cortex-a72 Cortex-A72 $mode "$films" "${models[@]}"
  names+=("$OUT"/x86-{litert,tflite}-$mode.json "$ROOT"/bonefx/runtimes/{litert,tflite}-a72-$mode.json)
done
# int8 alone: the board with dot products of int8, and LiteRT where it does not know the processor.
there litert-a76 cortex-a76 Cortex-A76 whole "$FILMS" lite0-int8
there tflite-a76 cortex-a76 Cortex-A76 whole "$FILMS" lite0-int8
there litert-unknown unknown "processor unknown" whole "$FILMS" lite0-int8
"$LITERT" -m benchmarks.runtimes_report "${names[@]}" \
  "$ROOT"/bonefx/runtimes/{litert,tflite}-a76-whole.json "$ROOT/bonefx/runtimes/litert-unknown-whole.json"
