#!/bin/sh
# Simple startup task: runs before the worker, at every start, and blocks it if it fails.
# It leaves a note in the local store; running again replaces it, so nothing piles up.
set -eu

note="${ECHO_SCRATCH}prepared.txt"

# Beside and renamed: a reader never sees half a note.
printf '%s was prepared at %s\n' "$ECHO_INSTANCE" "$(date -u '+%Y-%m-%dT%H:%M:%SZ')" >"$note.new"
mv -f "$note.new" "$note"
cat "$note"
