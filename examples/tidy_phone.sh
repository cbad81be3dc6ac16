#!/bin/sh
# Tidy what came off a phone: photos, screenshots, receipts and so on, into a folder each.
#
#     examples/tidy_phone.sh DUMP SORTED [OPTIONS OF clipcli sort]
#
# First the plan, which changes nothing. Then the move, with the files that belong to a picture
# (raw photographs, .xmp, .json, .aae, the .mov of a live photo); on a terminal it asks before,
# elsewhere it wants --yes. What the model is not sure of goes to SORTED/_unsure, in the folders
# that it was in. Nothing is overwritten, and "clipcli undo" puts everything back where it was.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 DUMP SORTED [--yes] [--labels SET] [--min-prob P]" >&2
    exit 2
fi
dump=$1
sorted=$2
shift 2

mkdir -p -- "$sorted"
plan=$sorted/plan-$(date +%Y-%m-%d-%H%M%S).tsv

# The later of two equal options counts, so yours go last.
tidy() {
    clipcli sort "$dump" --into "$sorted" --labels camera-roll --min-prob 0.4 --unsure _unsure "$@"
}

tidy --quiet "$@" --dry-run >"$plan" || [ $? -eq 5 ]
echo "the plan: $(wc -l <"$plan") files, one a line, in $plan"

# Exit code 5: pictures that could not be read stayed where they were, and were named.
tidy --move "$@" >/dev/null || [ $? -eq 5 ]
echo "done; to take it back: clipcli undo"
