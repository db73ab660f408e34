#!/bin/sh
# Ends with 1 unless each argument names an image by its digest: a tag may be another image tomorrow.
set -eu
[ $# -gt 0 ]
for image; do
  digest=${image##*@sha256:}
  case "$image" in *@sha256:*) ;; *) digest= ;; esac
  if ! printf '%s\n' "$digest" | grep -Eq '^[0-9a-f]{64}$'; then
    echo "\"$image\" is no image by digest: write NAME:TAG@sha256: and 64 digits" >&2
    exit 1
  fi
done
