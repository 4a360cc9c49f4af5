#!/bin/sh
# Send an e-mail by msmtp for each film with a fracture, or that a person must look at.
#   edge-classify --watch DIR --on-result '/opt/bonefx/recipes/mail.sh READER@EXAMPLE.ORG [PAGE]'
# PAGE is the address of edge-page, such as https://bonefx.example.org: the mail has a link then.
set -eu
reader=$1 page=${2:-}
. "$(dirname "$0")/message.sh"
only_for fracture uncertain refused
{
  printf 'To: %s\nSubject: bonefx: %s\n' "$reader" "$(field state)"
  printf 'Content-Type: text/plain; charset=utf-8\n\n'
  text
} | msmtp -- "$reader"
