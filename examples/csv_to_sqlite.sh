#!/bin/sh
# Keep labels in a SQLite database, to ask it questions; needs the sqlite3 command.
#
#     examples/csv_to_sqlite.sh PICTURES DATABASE [OPTIONS OF clipcli classify]
#     sqlite3 photos.db "SELECT path FROM pictures WHERE label = 'beach' AND probability > 0.8"
#
# Run it again for new pictures or other labels: what is known of a picture is replaced, and
# vectors come from clipcli's cache, so that only new pictures take time. Prints how many pictures
# each label has. Exit code 5 if some pictures could not be read; the table says which, and why.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 PICTURES DATABASE [--labels SET] [--model MODEL]" >&2
    exit 2
fi
pictures=$1
database=$2
shift 2
command -v sqlite3 >/dev/null || { echo "$0: sqlite3 is not installed" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT TERM

code=0
clipcli classify "$pictures" --labels everyday --top-k 1 --quiet "$@" -o "$work/new.csv" || code=$?
[ "$code" -eq 0 ] || [ "$code" -eq 5 ] || exit "$code"

# sqlite3 reads the CSV where it lies, so that no name of a picture is ever part of a statement.
cd -- "$work"
case $database in
    /*) ;;
    *) database=$OLDPWD/$database ;;
esac
sqlite3 "$database" <<'STATEMENTS'
CREATE TABLE IF NOT EXISTS pictures (
    path TEXT PRIMARY KEY, status TEXT, label TEXT, probability REAL, reason TEXT
);
DROP TABLE IF EXISTS fresh;
CREATE TABLE fresh (path TEXT, status TEXT, label TEXT, probability TEXT, reason TEXT);
.import --csv --skip 1 new.csv fresh
INSERT OR REPLACE INTO pictures
    SELECT path, status, nullif(label, ''), CAST(nullif(probability, '') AS REAL),
        nullif(reason, '')
    FROM fresh;
DROP TABLE fresh;
.separator "\t"
SELECT count(*), coalesce(label, status) FROM pictures GROUP BY 2 ORDER BY 1 DESC, 2;
STATEMENTS
exit "$code"
