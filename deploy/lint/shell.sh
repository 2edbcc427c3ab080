#!/bin/bash
# shell.sh: shellcheck on every script, found by its name or by its first line.
set -euo pipefail
cd "$(dirname "$0")/../.."

scripts() {
	git ls-files --cached --others --exclude-standard | sort -u | while read -r file; do
		[ -f "$file" ] || continue
		case $file in
		*.sh) echo "$file" ;;
		*.*) ;;
		*) head -c 64 "$file" | head -n 1 | tr -d '\0' | grep -qE '^#!.*\b(ba)?sh\b' && echo "$file" ;;
		esac
	done
}

mapfile -t files < <(scripts)
shellcheck -x "${files[@]}"
