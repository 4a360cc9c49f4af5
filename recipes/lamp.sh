#!/bin/sh
# Switch a lamp or buzzer on a GPIO line on for 5 s, for each film with a fracture.
#   edge-classify --watch DIR --on-result '/opt/bonefx/recipes/lamp.sh gpiochip0 17'
set -eu
chip=$1 line=$2
. "$(dirname "$0")/message.sh"
only_for fracture
case $(gpioset --version) in
  *v1.*) exec gpioset --mode=time --sec=5 "$chip" "$line=1" ;; # Debian 12
  *) exec gpioset --toggle 5s,0 --chip "$chip" "$line=1" ;;
esac
