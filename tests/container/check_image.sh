#!/usr/bin/env bash
# Run a container image as an outsider on a cluster would, and compare what it writes with lists of files:
#
#   check_image.sh ENGINE IMAGE [FOLDER]
#
# ENGINE is docker or podman; FOLDER, a new one if not given, takes datasets and results. Every run has a
# read-only root without any temporary folder, no network, no capability, 64 MB of shared memory, and a user
# whom the image does not know. The lists beside this script are those of tests/test_*.py, too.
set -euo pipefail
export LC_ALL=C

[ $# -ge 2 ] || { echo "usage: $0 ENGINE IMAGE [FOLDER]" >&2; exit 64; }
ENGINE=$1 IMAGE=$2
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FOLDER=${3:-$(mktemp -d)}

RUN=("$ENGINE" run --rm --read-only --network none --user 54321:54321 --shm-size 64m
    --cap-drop ALL --security-opt no-new-privileges)
if [ "$(basename "$ENGINE")" = podman ]; then
    RUN+=(--read-only-tmpfs=false) # as docker: no writable /tmp
fi

# What tests/conftest.py simulates and how its `fast` trains, but with figures and relevances, and in processes
# side by side.
DATASET=(--participants 2 --volumes 100 --grid 9 10 9 --channels 8 --sfreq 100)
FAST=(--preset paper --epochs 2 --set model.latent=3 --set spectrogram.fmax=30 --set evaluate.phase_draws=0
    --set explain.pairs=6 --n-cpus 4 --omp-nthreads 1)
PARTICIPANT=(participant "${FAST[@]}" --models topo-rff rff)
GROUP=(group "${FAST[@]}" --models topo-rff linear --folds loo)

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'FAIL  %s (in %s)\n' "$*" "$FOLDER" >&2; exit 1; }

# app NAME OPTION... -- ARGUMENT...: run the app with these options of the engine; what it says goes to NAME.txt
app() {
    local said=$FOLDER/$1.txt options=()
    shift
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    "${RUN[@]}" "${options[@]}" -v "$FOLDER/bids:/data:ro" -v "$FOLDER/out:/out" \
        -v "$FOLDER/empty:/empty:ro" "$IMAGE" "$@" > "$said" 2>&1
}

succeeds() {
    local code=0
    app "$@" || code=$?
    [ "$code" = 0 ] || { tail -20 "$FOLDER/$1.txt"; fail "$1 ended with $code"; }
    if grep -E 'Traceback|[Ee]rrno|urllib|Connection' "$FOLDER/$1.txt"; then fail "$1 says so"; fi
    echo "ok    $1"
}

# refused CODE TEXT ARGUMENT...: the call ends with this code and one line that says why
refused() {
    local code=$1 text=$2 got=0
    shift 2
    app refused -- "$@" || got=$?
    [ "$got" = "$code" ] || { cat "$FOLDER/refused.txt"; fail "$* ended with $got, not $code"; }
    [ "$(grep -c '^error: ' "$FOLDER/refused.txt")" = 1 ] || fail "$*: not one line that begins with error:"
    grep -q "^error: .*$text" "$FOLDER/refused.txt" || { cat "$FOLDER/refused.txt"; fail "$*: no word of $text"; }
    if grep -q Traceback "$FOLDER/refused.txt"; then fail "$*: a traceback"; fi
    echo "ok    $code  $(grep '^error: ' "$FOLDER/refused.txt")"
}

# files FOLDER: paths of what is there, but for the work folder, and without what differs from call to call
files() {
    find "$1" -type f ! -path "$1/work/*" -printf '%P\n' \
        | sed -E 's#^logs/[0-9]{8}T[0-9]{6}_[^/]*_[0-9]+([_.][a-z.]+)$#logs/CALL\1#' | sort -u
}

# holds LIST FILES: what is there is what the list says
holds() {
    diff "$HERE/$1" "$2" > "$FOLDER/difference.txt" \
        || { cat "$FOLDER/difference.txt"; fail "files differ from tests/container/$1 (< is missing, > is new)"; }
    echo "ok    $(wc -l < "$2") files, as in tests/container/$1"
}

sums() { (cd "$1" && find . -type f ! -path './logs/2*' -exec sha256sum {} + | sort -k 2); }

mkdir -p "$FOLDER"/{bids,out,alone,mni,prepared,empty}
chmod 777 "$FOLDER"/*/

say "simulate"
"${RUN[@]}" -v "$FOLDER/bids:/data" --entrypoint python "$IMAGE" -m bids_eeg2fmri.simulate /data "${DATASET[@]}"

say "smoke: the version, and a dry run"
succeeds version -- --version
succeeds dry-run -- /data /out participant --dry-run

say "smoke: participants"
succeeds participant -- /data /out "${PARTICIPANT[@]}"
files "$FOLDER/out" > "$FOLDER/participant.list"
holds participant.txt "$FOLDER/participant.list"

say "the same again: nothing is computed, and every file stays as it is"
sums "$FOLDER/out" > "$FOLDER/before.sums"
succeeds again --env HOME=/nowhere -- /data /out "${PARTICIPANT[@]}"
sums "$FOLDER/out" > "$FOLDER/after.sums"
diff "$FOLDER/before.sums" "$FOLDER/after.sums" || fail "files changed"
if grep -vE '  (result|report) |\(kept\)$' "$FOLDER/again.txt"; then fail "that was not kept"; fi

say "smoke: the group"
succeeds group --env HOME=/nowhere -- /data /out "${GROUP[@]}"
files "$FOLDER/out" | comm -13 "$FOLDER/participant.list" - > "$FOLDER/group.list"
holds group.txt "$FOLDER/group.list"

say "smoke: a saved model on EEG alone, without a home"
cp -r "$FOLDER/bids/." "$FOLDER/alone.bids"
rm -r "$FOLDER"/alone.bids/sub-*/func
succeeds apply -v "$FOLDER/alone.bids:/eeg:ro" -v "$FOLDER/alone:/alone" --entrypoint env -- \
    -u HOME python /opt/bids_eeg2fmri/run.py /eeg /alone participant --apply /out/models/sub-01_topo-rff
files "$FOLDER/alone" > "$FOLDER/apply.list"
holds apply.txt "$FOLDER/apply.list"

say "smoke: BOLD in MNI space, with the defaults: the spheres and the template are in the image"
"${RUN[@]}" -v "$FOLDER/bids:/data:ro" -v "$FOLDER/prepared:/prepared" -v "$HERE:/check:ro" \
    --entrypoint python "$IMAGE" /check/in_mni_space.py /data /prepared
succeeds mni -v "$FOLDER/prepared:/prepared:ro" -v "$FOLDER/mni:/mni" -- \
    /data /mni participant --participant-label 01 --derivatives fmriprep=/prepared \
    --space MNI152NLin2009cAsym:res-2 --epochs 1 --set model.latent=3 --set spectrogram.fmax=30
grep -q "160 spheres.*Dosenbach" "$FOLDER"/mni/sub-01/func/*_desc-parcels_metrics.json || fail "no spheres"
ls "$FOLDER"/mni/sub-01/figures/*glass* > /dev/null || fail "no glass brain"

say "refused, in one line each"
refused 17 "choose from 'participant', 'group'" /data /out session
refused 66 "/missing: no such folder" /missing /out participant
refused 16 "the folder is empty" /empty /out participant
refused 18 "no participant 99" /data /out participant --participant-label 99
refused 64 "lies in the input dataset" /data /data/sub-01 participant
refused 64 "unrecognized arguments: --nonsense" /data /out participant --nonsense
refused 66 "holds no model.safetensors" /data /out participant --apply /out/models/none
refused 73 "cannot be" /data /nowhere participant

say "all as it should be; results lie in $FOLDER"
