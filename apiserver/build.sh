#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds lineshaft-apiserver and kubectl into target/go/. Does nothing when
# nothing has changed. "build.sh check" also runs gofmt, go vet and the tests.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
out=$(cd .. && pwd)/target/go

# The same settings everywhere, or the build cache is not shared and several
# minutes are spent again.
export CGO_ENABLED=0
export GOFLAGS="-trimpath -buildvcs=false"

kubernetes=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3 }' go.mod)
wanted=$(awk '$1 == "toolchain" { print $2 }' go.mod)

if ! command -v go >/dev/null; then
  echo "build.sh: Go is not installed: install ${wanted} or later from https://go.dev/dl/" >&2
  exit 1
fi
found=$(go env GOVERSION)
if [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1) != "$wanted" ]]; then
  echo "build.sh: ${found} is too old: install ${wanted} or later from https://go.dev/dl/, or set GOTOOLCHAIN=auto" >&2
  exit 1
fi

# Clients parse the version that the server reports; without it they fail.
minor=${kubernetes#v1.}
ldflags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  ldflags+=" -X ${package}.gitVersion=${kubernetes}"
  ldflags+=" -X ${package}.gitMajor=1 -X ${package}.gitMinor=${minor%%.*}"
  ldflags+=" -X ${package}.gitCommit= -X ${package}.gitTreeState=archive"
done

stamp=$(
  {
    echo "$found" "$(go env GOOS GOARCH)" "$ldflags"
    find . -name '*.go' ! -name '*_test.go' -print0 | sort -z | xargs -0 sha256sum
    sha256sum go.mod go.sum
  } | sha256sum
)

build() {
  if [[ -x $out/lineshaft-apiserver && -x $out/kubectl && $(cat "$out/.stamp" 2>/dev/null) == "$stamp" ]]; then
    return
  fi
  if [[ ! -e $out/.stamp ]]; then
    echo "build.sh: compiling Kubernetes ${kubernetes}: about seven minutes on two cores the first time, seconds afterwards" >&2
  fi
  # A running server may use the old files: replace them, never write into them.
  go build -ldflags "$ldflags" -o "$out/lineshaft-apiserver.new" . 9>&-
  go build -ldflags "$ldflags" -o "$out/kubectl.new" k8s.io/kubernetes/cmd/kubectl 9>&-
  mv "$out/lineshaft-apiserver.new" "$out/lineshaft-apiserver"
  mv "$out/kubectl.new" "$out/kubectl"
  echo "$stamp" >"$out/.stamp"
}

# Only one at a time: several test runs may ask at once.
mkdir -p "$out"
exec 9>"$out/.lock"
flock 9
build
exec 9>&-

if [[ ${1:-} == check ]]; then
  unformatted=$(gofmt -l .)
  if [[ -n $unformatted ]]; then
    echo "build.sh: not formatted as gofmt does: ${unformatted}" >&2
    exit 1
  fi
  go vet ./...
  go test ./...
fi
