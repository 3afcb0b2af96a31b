#!/bin/sh
# Writes stubs for Node, Java and Go to the folder $1, each where its generator can be had; says what the others need.
# $PYTHON has grpcio-tools. Ends with 1 if a generator that is there fails, or if none is there.
set -u

out=${1:?where to}
proto=$(cd "$(dirname "$0")/../proto" && pwd)
example=$(cd "$(dirname "$0")/examples/node" && pwd)
written=0
failed=0
mkdir -p "$out"
out=$(cd "$out" && pwd)
PYTHON=$(command -v "${PYTHON:-python3}" 2>/dev/null || echo python3)
case $PYTHON in /*) ;; */*) PYTHON=$PWD/$PYTHON ;; esac
cd "$proto" || exit 1  # the generators name the files as they are given
files=$(echo presage/v1/*.proto)

has() {
  command -v "$1" >/dev/null 2>&1
}

# Note how the generator of $1 ended, with the status $2.
note() {
  if [ "$2" -eq 0 ]; then
    echo "stubs: $1: written to $out/$1"
    written=$((written + 1))
  else
    echo "stubs: $1: its generator failed"
    failed=1
  fi
}

needs() {
  echo "stubs: $1: not written; needs $2"
}

node_stubs() {
  mkdir -p "$out/node"
  # What is installed is what package.json of that time asked for.
  if ! cmp -s "$example/package.json" "$out/node/package.json" || [ ! -d "$out/node/node_modules" ]; then
    rm -rf "$out/node/node_modules" "$out/node/written"
    cp "$example/package.json" "$out/node/package.json"
    (cd "$out/node" && npm install --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error) || {
      rm -f "$out/node/package.json"
      return 1
    }
  fi
  # It takes seconds, so once for each change.
  [ -e "$out/node/written" ] && [ -z "$(find presage/v1 -name '*.proto' -newer "$out/node/written")" ] && return
  # shellcheck disable=SC2086 - the names of the files have no spaces
  "$PYTHON" -m grpc_tools.protoc -I . "--plugin=protoc-gen-ts=$out/node/node_modules/.bin/protoc-gen-ts" \
    "--ts_out=$out/node" --ts_opt=client_grpc1,output_javascript,output_legacy_commonjs,long_type_number $files &&
    touch "$out/node/written"
}

if ! has node || ! has npm; then
  needs node "node 18 or newer, with npm"
elif ! "$PYTHON" -c "import grpc_tools" 2>/dev/null; then
  needs node "grpcio-tools in $PYTHON, as make setup installs it"
else
  node_stubs
  note node $?
fi

java_plugin=$(command -v protoc-gen-grpc-java || command -v grpc_java_plugin)
if ! has protoc || [ -z "$java_plugin" ]; then
  needs java "protoc and protoc-gen-grpc-java of grpc-java (Debian: protobuf-compiler, protobuf-compiler-grpc-java-plugin)"
else
  mkdir -p "$out/java"
  # shellcheck disable=SC2086
  protoc -I . "--java_out=$out/java" "--plugin=protoc-gen-grpc-java=$java_plugin" "--grpc-java_out=$out/java" $files
  note java $?
fi

if ! has protoc || ! has protoc-gen-go || ! has protoc-gen-go-grpc; then
  needs go "protoc, protoc-gen-go and protoc-gen-go-grpc (Debian: protobuf-compiler, protoc-gen-go, protoc-gen-go-grpc)"
else
  mkdir -p "$out/go"
  # shellcheck disable=SC2086
  protoc -I . "--go_out=$out/go" "--go-grpc_out=$out/go" $files
  note go $?
fi

[ "$failed" -eq 0 ] && [ "$written" -gt 0 ]
