# Read the message on standard input; for the other scripts in this folder.
message=$(cat)

# Print a field of the message, nothing if it is null or absent.
field() {
  printf '%s' "$message" | python3 -c '
import json, sys
value = json.load(sys.stdin).get(sys.argv[1])
print("" if value is None else value)' "$1"
}

# End without error if the result was replaced meanwhile, or its state is none of these words.
only_for() {
  [ "$(field current)" = True ] || exit 0
  state=$(field state)
  for wanted in "$@"; do
    [ "$state" = "$wanted" ] && return 0
  done
  exit 0
}

# Print the result in lines for people, without a name unless --message-names is given, and with a
# link if $page is the address of edge-page.
text() {
  echo "State:      $(field state | tr _ ' ')"
  [ -z "$(field score)" ] || echo "Score:      $(field score)"
  [ -z "$(field reason)" ] || echo "Refused:    $(field reason)"
  [ -z "$(field path)" ] || echo "File:       $(field path | LC_ALL=C tr -d '[:cntrl:]')"
  echo "Classified: $(field classified_at)"
  echo "Image:      $(field sha256 | cut -c1-12)"
  [ -z "${page:-}" ] || echo "Film:       ${page%/}/film/$(field sha256)"
  echo
  field notice
}
