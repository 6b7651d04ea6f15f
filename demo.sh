#!/bin/sh
# Builds cllm, trains the demo model and shows what it learned. Usage: ./demo.sh [TEXT...]
# TEXT: files or folders to learn from; without any, the built-in corpus of stories. Every call
# trains a new model, in runs/demo or, where that is taken, in runs/demo-2 and so on.
set -eu
steps=${DEMO_STEPS:-1800} # a minute or two on four cores; CI takes fewer

case ${1-} in
  -h | --help)
    sed -n '2,4s/^# //p' "$0"
    exit 0
    ;;
esac
for text in "$@"; do
  [ -e "$text" ] || {
    echo "demo.sh: $text: no such file or folder" >&2
    exit 3
  }
done

root=$(cd "$(dirname "$0")" && pwd -P)
"$root/scripts/build" release cllm -DCLLM_TESTS=OFF
here=$root/
[ "$(pwd -P)" != "$root" ] || here=
cllm=${here:-./}build/src/cllm

run=${here}runs/demo
number=1
while [ -e "$run" ]; do
  number=$((number + 1))
  run=${here}runs/demo-$number
done

prompt=
if [ $# -eq 0 ]; then
  set -- stories
  prompt='Once upon a time'
  corpus=1
else
  corpus=
fi
echo
echo "== training on $*; Ctrl-C stops and saves, \`$cllm resume $run\` goes on"
"$cllm" train --data "$@" --preset demo --steps "$steps" --batch-size 8 \
  --set tokenizer.kind=bpe --set tokenizer.vocabulary_size=1024 \
  --set optimizer.learning_rate=0.003 --set schedule.min_learning_rate=0.0001 \
  --set evaluation.every=600 --set evaluation.windows=64 --set sample.every=600 \
  --set "sample.prompt=\"$prompt\"" --out "$run"

echo
echo "== what it writes"
samples=$run/samples/demo.txt
: >"$samples"
for seed in 1 2 3 4 5 6; do
  "$cllm" generate "$run" --quiet --prompt "$prompt" --seed $seed --max-tokens 500 >"$samples.one"
  cat "$samples.one" >>"$samples"
  echo >>"$samples"
  [ $seed -gt 2 ] || {
    cat "$samples.one"
    echo
  }
done
rm -f "$samples.one"
[ -z "$corpus" ] || {
  echo "== how many of its sentences the grammar of the stories accepts"
  "$cllm" data score "$samples"
}

cat <<END

The run is in $run: the curves in report.svg, the samples in samples/.
Try next:
  $cllm generate $run --prompt "${prompt:-The}" --temperature 0.7
  $cllm resume $run --steps $((steps * 2))
  $cllm eval $run
  $cllm help
END
