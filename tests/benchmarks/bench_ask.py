"""How often `ask` is right, beside `classify` with the bare answers.

    python tests/benchmarks/bench_ask.py "what colour is the flower?" flowers/

Pictures lie in folders that are called as the answers are: ``flowers/red/1.jpg``. Prints a row of a
table: the question, the answers to choose from, pictures, and how many answers were right in per
cent, with Wilson's 95 % interval. Of `classify` are asked the answers alone, with the templates
that are usual; a yes-or-no question has no such labels.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from clipcli.cli.app import run
from clipcli.errors import ExitCode
from clipcli.workflows.asking.questions import Asked, understand

Z = 1.96  # of a normal distribution, for 95 %


def main() -> int:
    """Ask, classify and print the row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question")
    parser.add_argument("folder", type=Path, help="pictures in folders that are called as answers")
    parser.add_argument("--answers", help="what may be answered, in place of the usual answers")
    parser.add_argument("--model")
    parser.add_argument("--confusions", action="store_true", help="print what was taken for what")
    given = parser.parse_args()
    chosen = ["--answers", given.answers] if given.answers else []
    model = ["--model", given.model] if given.model else []
    words = [word.strip() for word in (given.answers or "").split(",") if word.strip()]
    asked = understand(given.question, words)
    by_asking = _labels(["ask", str(given.folder), given.question, *chosen, *model])
    cells = [given.question, _choice(asked), str(len(by_asking)), _share(by_asking)]
    if asked.is_yes_no:
        cells.append("")
    else:
        labels = ", ".join(asked.answers)
        by_name = _labels(["classify", str(given.folder), "--labels", labels, *model])
        cells.append(_share(by_name))
    print("| " + " | ".join(cells) + " |", flush=True)
    if given.confusions:
        for (truth, said), n in Counter(by_asking).most_common():
            print(f"{truth} -> {said}: {n}")
    return 0


def _labels(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Run a command over pictures; return what each folder's name is, and what was said."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results.jsonl"
        code = run([*arguments, "-o", str(out)])
        if code not in (ExitCode.DONE, ExitCode.SKIPPED):
            raise SystemExit(f"{arguments[0]}: exit code {code}")
        records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return [(Path(r["path"]).parent.name, r["label"]) for r in records if r["status"] == "ok"]


def _choice(asked: Asked) -> str:
    if asked.is_yes_no:
        return "yes, no"
    n = len(asked.answers)
    return ", ".join(asked.answers) if n <= 4 else f"{n} usual ones"


def _share(pairs: Sequence[tuple[str, str]]) -> str:
    low, high = wilson(n_right := sum(truth == said for truth, said in pairs), len(pairs))
    return f"{100 * n_right / len(pairs):.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval (low, high) of a share, 0 to 1."""
    share = n_right / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return middle - half, middle + half


if __name__ == "__main__":
    sys.exit(main())
