#!/bin/sh
# A clean machine: build the sdist, and the wheel from it; install each way in an environment of its own, away from the checkout, and use it.
# With a folder as argument, the two files are left there: those are what a release has.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
for name in PYTHONPATH $(env | sed -n 's/^\(PRESAGE_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done

# Run a command; its output goes to $work/output, and is shown if it fails.
run() {
  echo "\$ $*"
  "$@" >"$work/output" 2>&1 || { cat "$work/output"; exit 1; }
}

# Make an environment called $1, with the wheel and its extras $2, in a folder where nothing else is.
environment() {
  run "${PYTHON:-python3}" -m venv "$work/$1"
  run "$work/$1/bin/python" -m pip install --quiet --disable-pip-version-check -c "$checkout/constraints.txt" "$wheel$2"
  mkdir "$work/empty-$1"
  cd "$work/empty-$1"
  echo "installed $(basename "$wheel")$2: $(du -sm "$work/$1" | cut -f1) MB"
}

mkdir "$work/dist"
run "${PYTHON:-python3}" -m venv "$work/build"
run "$work/build/bin/python" -m pip install --quiet --disable-pip-version-check build
cd "$work"
run "$work/build/bin/python" -m build --outdir "$work/dist" "$checkout"
wheel=$(echo "$work"/dist/*.whl)
ls -l "$work/dist" | awk 'NR > 1 { printf "%s: %.1f MB\n", $9, $5 / 1e6 }'
run "$work/build/bin/python" "$here/contents.py" "$work"/dist/*

environment base ""
run "$work/base/bin/python" "$here/base_install.py"
cat "$work/output"

environment server "[server]"
run "$work/server/bin/presage" version
run "$work/server/bin/presage" demo --seconds 3
cat "$work/output"
left=$(find "$work/empty-server" | wc -l)
[ "$left" -eq 1 ] || { echo "the demo left files behind:"; find "$work/empty-server"; exit 1; }

environment console "[console]"
run "$work/console/bin/python" "$here/console_install.py"
cat "$work/output"

if [ $# -gt 0 ]; then
  mkdir -p "$1"
  cp "$work"/dist/* "$1/"
fi
echo "a clean machine can install and use Presage"
