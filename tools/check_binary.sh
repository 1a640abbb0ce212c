#!/usr/bin/env bash
# check_binary.sh BINARY: runs the compiled program as a user would who has nothing else: from
# another folder, with an empty environment: two iterations of each algorithm on each device, and the
# arm that adapts with the model inside of the program, with its pictures, and a report of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$1" "$folder/metarl"
cd "$folder"
run() { env -i ./metarl "$@"; }
run --version
run help >/dev/null
run doctor --quick
for algorithm in mmaml promp; do
  for device in cpu webgpu; do
    out="$algorithm-$device"
    run "$algorithm" --device "$device" --out "$out" --iterations 2 \
      --set meta_batch_size=4 --set rollouts_per_meta_task=3 --set max_path_length=20
    test "$(wc -l <"$out/progress.csv")" -eq 3
    test -s "$out/checkpoints/checkpoint-000002.safetensors"
    test -s "$out/report.html"
  done
done
for device in cpu webgpu; do
  run famle adapt --device "$device" --out "adapt-$device" --iterations 2 \
    --set candidates=200 --set episode_length=5
  test -s "adapt-$device/arm.png"
  test -s "adapt-$device/rewards.svg"
done
for file in way.gif way.mp4 way.svg; do
  run render mmaml-cpu --out "$file"
  test -s "$file"
done
for file in arm.gif arm.mp4 arm.png arm.html; do
  run render adapt-cpu --out "$file"
  test -s "$file"
done
run report mmaml-cpu promp-cpu adapt-cpu --out report.html
grep -q '<figure data-chart="adaptation">' report.html
if run mmaml does-not-exist.json 2>message; then
  echo "error: a missing config was accepted" >&2
  exit 1
fi
test "$(wc -l <message)" -eq 1
for forbidden in 'await fetch("http://127.0.0.1:1/")' 'new Deno.Command("/bin/ls").outputSync()'; do
  echo "$forbidden; export default {};" >forbidden.js
  if run envs forbidden.js 2>message; then
    echo "error: an environment was allowed to $forbidden" >&2
    exit 1
  fi
  grep -q 'a permission that metarl does not have \[env-module\]$' message
done
ls -l metarl
