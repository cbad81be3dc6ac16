#!/bin/sh
# Let a build fail where a data set has broken files, or copies in two splits or two classes.
#
#     examples/audit_in_ci.sh DATA_SET [REPORTS]
#
# DATA_SET is a folder with a folder for each class, with train, val or test above those if there
# are splits. REPORTS (audit-report, if left out) gets a page to look at and a table of all
# findings; keep it as an artefact of the build. Likely wrong labels are listed there, but are for
# people to judge, so they do not fail the build. Exit code 6 if there are such findings, 0 if not.
set -eu

data_set=${1:?name the data set: a folder with a folder for each class}
reports=${2:-audit-report}
mkdir -p -- "$reports"

code=0
clipcli audit "$data_set" --fail-on broken,leak,conflict --quiet --overwrite \
    -o "$reports/report.html" -o "$reports/findings.csv" || code=$?

case $code in
    0 | 5) echo "no broken files, no leaks, no conflicts in $data_set" ;;
    6) echo "findings in $data_set: see $reports/report.html and $reports/findings.csv" >&2 ;;
    *) exit "$code" ;;
esac
[ "$code" -ne 6 ] || exit 6
