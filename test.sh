#!/bin/sh
# Installs what is missing from Debian 12, builds and runs every test, fast ones first.
set -eu
root=$(cd "$(dirname "$0")" && pwd -P)
usage='usage: ./test.sh [--fast] [--preset release|debug|asan|tsan|clang] [-- CTEST-OPTION...]
  --fast          only the fast tests
  --preset NAME   which build of CMakePresets.json; release if not given
  --              what follows goes to ctest, e.g. -R Gemm'

preset=release
labels='fast slow'
while [ $# -gt 0 ]; do
  case $1 in
    --fast) labels=fast ;;
    --preset)
      preset=${2-}
      shift
      ;;
    -h | --help)
      echo "$usage"
      exit 0
      ;;
    --)
      shift
      break
      ;;
    *)
      echo "test.sh: unknown argument '$1'" >&2
      echo "$usage" >&2
      exit 2
      ;;
  esac
  shift
done
case $preset in
  release) folder=build ;;
  debug | asan | tsan | clang) folder=build-$preset ;;
  *)
    echo "test.sh: unknown preset '$preset'" >&2
    echo "$usage" >&2
    exit 2
    ;;
esac

# GCC 12's ThreadSanitizer cannot start where the kernel randomises more address bits than it knows.
if [ "$preset" = tsan ] && [ -z "${CLLM_FIXED_ADDRESSES-}" ] && setarch -R true 2>/dev/null; then
  fast=
  [ "$labels" != fast ] || fast=--fast
  CLLM_FIXED_ADDRESSES=1 exec setarch -R "$root/test.sh" $fast --preset tsan -- "$@"
fi

case $preset in
  clang) "$root/scripts/install_packages" libgtest-dev libgmock-dev fplll-tools clang ;;
  *) "$root/scripts/install_packages" libgtest-dev libgmock-dev fplll-tools ;;
esac
werror=OFF
[ -z "${CI-}" ] || werror=ON
"$root/scripts/build" "$preset" all -DCLLM_TESTS=ON -DCLLM_WERROR=$werror

# A filter of the user's may leave nothing of a kind.
none=error
[ $# -eq 0 ] || none=ignore
progress=
[ ! -t 1 ] || progress=--progress
summary=$(mktemp)
trap 'rm -f "$summary" "$summary.failures"' EXIT
failed=0
for label in $labels; do
  echo "== $label tests ($preset)"
  begin=$(date +%s)
  # The status of ctest through the pipe, which POSIX sh does not give.
  {
    ctest --test-dir "$root/$folder" --label-regex "^$label\$" --parallel "$(nproc)" \
      --output-on-failure --no-tests=$none $progress "$@" 2>&1 || echo failed >"$summary.status"
  } | tee "$summary.log"
  if [ -f "$summary.status" ]; then
    failed=1
    # From the line of a failure to the next line of ctest's own.
    awk '/^ *([0-9]+\/[0-9]+ Test|Start) +#?[0-9]+:/ { failing = /\*\*\*(Failed|Timeout|Exception|Not Run)/ }
      /tests passed, / { failing = 0 }
      failing' "$summary.log" >>"$summary.failures"
  fi
  line=$(grep -E 'tests passed|No tests were found' "$summary.log" | tail -n 1)
  echo "$label: ${line:-did not run} ($(($(date +%s) - begin)) s)" >>"$summary"
  rm -f "$summary.status" "$summary.log"
done

echo "== summary ($preset)"
cat "$summary"
if [ "$failed" -ne 0 ]; then
  echo "test.sh: there are failures; their output again:"
  cat "$summary.failures"
  exit 1
fi
echo "test.sh: everything passed"
