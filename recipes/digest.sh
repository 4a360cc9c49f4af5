#!/bin/sh
# Send the fractures of the last hour, or of another time, in one e-mail by msmtp.
#   edge-classify --watch DIR --on-result '/opt/bonefx/recipes/digest.sh collect FOLDER [PAGE]'
#   digest.sh send FOLDER READER@EXAMPLE.ORG        (by a timer)
# PAGE is the address of edge-page, such as https://bonefx.example.org: the mail has links then.
set -eu
folder=$2
case $1 in
collect)
  page=${3:-}
  . "$(dirname "$0")/message.sh"
  film=$folder/$(field sha256).txt
  rm -f -- "$film" "${film%.txt}.sending" # a later result replaces an earlier one that was not sent yet
  only_for fracture
  text >"$film.part"
  mv -- "$film.part" "$film"
  ;;
send)
  reader=$3
  for film in "$folder"/*.txt; do # `collect` may replace or remove them meanwhile
    [ ! -e "$film" ] || mv -- "$film" "${film%.txt}.sending"
  done
  set -- "$folder"/*.sending # also those of a mail that was not taken
  [ -e "$1" ] || exit 0
  {
    printf 'To: %s\nSubject: bonefx: fracture (%s)\n' "$reader" "$#"
    printf 'Content-Type: text/plain; charset=utf-8\n\n'
    for film in "$@"; do
      [ -e "$film" ] || continue # replaced since
      cat -- "$film"
      echo
    done
  } | msmtp -- "$reader"
  rm -f -- "$@"
  ;;
esac
