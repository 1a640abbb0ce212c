#!/usr/bin/env bash
# fetch_denort.sh FILE: gets the runtime that `deno compile` needs, where only an npm registry is
# reached. It takes it out of a published program that Deno 2.6.10 compiled for 64-bit Linux: the
# first bytes of such a program are the unchanged runtime. Fits Deno 2.6; newer ones use another
# section format. Elsewhere `deno compile` downloads its own runtime and this script is not needed.
set -euo pipefail
package=@mcp-stress/linux-x64@0.2.1
bytes=92183912
sha256=1b136202dc147212ad0b129de0c10eb5f17060917c9754c7921cd68f764ad2e2
out=$(realpath -m "$1")
if [ -f "$out" ] && echo "$sha256  $out" | sha256sum --check --status; then exit 0; fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
npm pack --silent "$package" >/dev/null
tar -xzf ./*.tgz package/bin/mcp-stress
head -c "$bytes" package/bin/mcp-stress >denort
if ! echo "$sha256  denort" | sha256sum --check --status; then
  echo "error: the runtime in $package is not the expected one (SHA-256 differs)" >&2
  exit 1
fi
chmod +x denort
mkdir -p "$(dirname "$out")"
mv denort "$out"
