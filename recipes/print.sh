#!/bin/sh
# Print each result on a network printer that CUPS knows.
#   edge-classify --watch DIR --on-result '/opt/bonefx/recipes/print.sh PRINTER'
set -eu
printer=$1
. "$(dirname "$0")/message.sh"
only_for fracture uncertain no_fracture refused
text | lp -s -d "$printer" -t bonefx -
