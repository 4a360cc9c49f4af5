#!/usr/bin/env bash
# What arm64/test.sh runs inside the root.  inside.sh commands|suite BIN
set -euo pipefail
BIN=$2
REFUSED=3 # edge-classify: some files were refused, as the demo's chest film must be

commands() {
  local work
  work=$(mktemp -d)
  cd "$work"
  "$BIN/edge-admin" doctor
  "$BIN/python" /bonefx/demo/make_films.py films
  "$BIN/edge-classify" films || [[ $? -eq $REFUSED ]]
  "$BIN/edge-classify" --watch films --once --out results
  "$BIN/edge-admin" status results
  cd /
  rm -r "$work"
}

# Left out because each of their tests starts processes, which take seconds here, or draws hundreds of
# cases: hours. They are the same Python on any processor; the x86 suite runs them.
LEFT_OUT=(
  --ignore tests/edge/test_cli.py --ignore tests/edge/test_mutated.py
  --ignore tests/edge/test_tiff_compressed.py --ignore tests/edge/watch/test_moving.py
  --ignore tests/edge/watch/test_intake_machine.py
)

suite() {
  cd /bonefx
  # An emulated second is a twentieth of a real one: the limits on time are the x86 suite's business.
  "$BIN/python" -m pytest -v --durations 20 -p no:cacheprovider --timeout 1500 -m "not host" \
    tests/edge tests/end_to_end/test_shipped_models.py "${LEFT_OUT[@]}"
}

"$1"
