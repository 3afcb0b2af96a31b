#!/bin/sh
# What a new user does, in an environment of its own: install the wheel, inspect a log, train, serve, score, add a feature, train again,
# serve again. The commands that `inspect` and `train` print as the next ones are run as they are printed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" || true; wait "$server" || true; fi; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
for name in PYTHONPATH $(env | sed -n 's/^\(PRESAGE_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done

# Run a command; its output goes to $work/output, and is shown if it fails.
run() {
  echo "\$ $*"
  "$@" >"$work/output" 2>&1 || { cat "$work/output"; exit 1; }
}

next_command() {
  sed -n 's/^next: //p' "$work/output" | grep . || { echo "no next command in:"; cat "$work/output"; exit 1; } >&2
}

# Serve as $1 says, on a free port; have a visitor shop, see that the model answers with feature $2; stop.
serve_and_score() {
  echo "\$ $1"
  PRESAGE_PORT=0 sh -c "exec $1" >"$work/ready" 2>"$work/log" &
  server=$!
  for _ in $(seq 600); do
    if grep -q '^presage: serving on ' "$work/ready"; then break; fi
    kill -0 "$server" 2>/dev/null || { server=; cat "$work/log"; exit 1; }
    sleep 0.1
  done
  model=$(echo "$1" | sed 's/.*--default-model \([^ ]*\).*/\1/')
  run python "$here/visit.py" "$(sed 's/^presage: serving on //' "$work/ready")" "$model" "$2"
  cat "$work/output"
  kill "$server"
  wait "$server" || { server=; cat "$work/log"; exit 1; }
  server=
}

run "${PYTHON:-python3}" -m venv "$work/venv"
PATH="$work/venv/bin:$PATH"
run python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/wheel" "$here/../.."
run python -m pip install --quiet --disable-pip-version-check -c "$here/../../constraints.txt" \
  "$(echo "$work"/wheel/*.whl)[server,native,train]"

mkdir "$work/shop" && cd "$work/shop"
run python "$here/shop.py" log.csv
run presage inspect log.csv --to shop.toml
run sh -c "$(next_command)"
serve_and_score "$(next_command)" frequency

# A feature of the shop's own: a project, and one line in it.
feature=lamp_views
run presage init project --log log.csv
cat >>project/features.toml <<END
$feature = { aggregate = "count", over = "visitor", events = ["VIEW_ITEM"], where = { "item.category" = "Lampen" } }
END
run presage train log.csv --project project --models lightgbm-classifier --to runs/second
serve_and_score "$(next_command)" "$feature"
