#!/bin/sh
# Fetch what the console's pages load besides our own files, and check it against the committed digests; `make vendored` runs it.
# Another version: change it here, run with --accept, read the new files' notes, commit all.
set -eu

HTMX=htmx.org@4.0.1
UPLOT=uplot@1.6.32

there=$(cd "$(dirname "$0")/presage_console/static/vendor" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Unpack the npm package $1 into the folder $2.
unpack() {
  mkdir "$work/$2"
  (cd "$work/$2" && npm pack --silent "$1" >/dev/null && tar -xzf ./*.tgz --strip-components=1)
}

unpack "$HTMX" htmx
unpack "$UPLOT" uplot
cp "$work/htmx/dist/htmx.min.js" "$work/htmx/dist/ext/hx-sse.min.js" "$there/"
cp "$work/htmx/LICENSE" "$there/htmx-LICENSE.txt"
cp "$work/uplot/dist/uPlot.iife.min.js" "$work/uplot/dist/uPlot.min.css" "$there/"
cp "$work/uplot/LICENSE" "$there/uPlot-LICENSE.txt"
cd "$there"
[ "${1-}" != --accept ] || sha256sum ./*.js ./*.css ./*.txt | sed 's|\./||' >SHA256SUMS
sha256sum --check SHA256SUMS
