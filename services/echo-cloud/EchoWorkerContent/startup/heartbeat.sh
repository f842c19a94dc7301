#!/bin/sh
# Background startup task: lives beside the worker and is not waited for.
# Now and then it appends a line to a file in the local store, which starts anew when it is full.
set -eu

beats="${ECHO_SCRATCH}heartbeat.txt"
interval_s="${HEARTBEAT_SECONDS:-30}"
size_bytes_max=65536

# Takes the sleep along, also where the signal comes just as it starts: it is asked for as $!, since a
# variable of ours may not be set yet, and killed by KILL, since the shell that is to become it would
# still catch TERM and forget it.
leave() {
    if [ -n "${!-}" ]; then
        kill -KILL "$!" 2>/dev/null || true
        wait "$!" 2>/dev/null || true
    fi
    exit 0
}
trap leave TERM INT HUP

while :; do
    if [ -f "$beats" ] && [ "$(wc -c <"$beats")" -ge "$size_bytes_max" ]; then
        mv -f "$beats" "$beats.old"
    fi
    date -u '+%Y-%m-%dT%H:%M:%SZ' >>"$beats"
    # In the background: the wait ends at once on a signal, where a sleep would be slept out first.
    sleep "$interval_s" &
    wait "$!" || true
done
