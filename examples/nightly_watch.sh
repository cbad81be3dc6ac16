#!/bin/sh
# Tell each night which pictures are new in a folder, and what is on them. For cron:
#
#     15 3 * * *  /path/to/nightly_watch.sh /srv/photos "$HOME/watch" --labels everyday
#
# Prints path, label and probability of each new picture, separated by tabs; cron mails what is
# printed. The results of the last night lie in the second folder, and clipcli diff finds what was
# added since. Vectors come from clipcli's cache, so only new pictures are decoded.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 PICTURES STATE [OPTIONS OF clipcli classify]" >&2
    exit 2
fi
pictures=$1
state=$2
shift 2
mkdir -p -- "$state"

# One run at a time: making a folder either works or does not.
mkdir -- "$state/running" 2>/dev/null || {
    echo "$0: another run is under way; if not, remove $state/running" >&2
    exit 1
}
trap 'rmdir -- "$state/running"' EXIT
trap 'exit 130' INT TERM

code=0
clipcli classify "$pictures" --labels everyday --quiet "$@" --overwrite -o "$state/now.jsonl" ||
    code=$?
case $code in
    0) ;;
    5) echo "$0: some pictures could not be read, see $state/last.jsonl" >&2 ;;
    *) exit "$code" ;; # 3: there are no pictures at all
esac

[ -e "$state/last.jsonl" ] || : >"$state/last.jsonl" # the first night everything is new
clipcli diff "$state/last.jsonl" "$state/now.jsonl" --quiet --overwrite -o "$state/changes.tsv" ||
    [ $? -eq 6 ]
awk -F '\t' '$2 == "added" { print $1 "\t" $5 "\t" $6 }' "$state/changes.tsv"

mv -f -- "$state/now.jsonl" "$state/last.jsonl"
mv -f -- "$state/now.jsonl.meta.json" "$state/last.jsonl.meta.json"
