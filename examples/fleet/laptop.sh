#!/usr/bin/env bash
# One machine, one worker in this process. Stop it with Ctrl-C; the same line goes on.
set -euo pipefail
clipcli batch classify "${1:-photos/}" --labels animals --into "${2:-out}" --ray none
