#!/bin/bash
# sizes.sh [FOLDER]
#
# Sizes of our C: prints the figures, and fails for a function of more than 100 lines or a file of
# more than 800. A function is counted from its opening brace in column 1 to the closing one.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

list() { git ls-files --cached --others --exclude-standard -- "$@" | sort -u; }

# "lines file:line" of each function.
functions() {
	list "$@" | while read -r file; do
		[ -f "$file" ] && awk -v file="$file" '
			/^{/ { start = NR }
			/^}$/ && start { print NR - start + 1, file ":" start; start = 0 }
			/^};/ { start = 0 }' "$file"
	done
}

# Name of the figure, then a sorted list of numbers on standard input.
figures() {
	awk -v what="$1" '
		{ v[NR] = $1; sum += $1; if ($1 > 100) over++ }
		END {
			if (NR == 0)
				exit
			printf "%-22s %5d functions, median %d, p90 %d, longest %d, over 100: %d\n", what, NR,
				v[int((NR + 1) / 2)], v[int((NR * 9 + 9) / 10)], v[NR], over
		}'
}

status=0
functions 'common/*.c' 'common/*.h' 'services/*.c' | sort -n | figures 'common and services'
functions 'tests/*.c' | sort -n | figures 'tests'

long=$(functions '*.c' '*.h' | awk '$1 > 100 { print $2 ": function of " $1 " lines" }')
if [ -n "$long" ]; then
	echo "$long"
	status=1
fi

big=$(list '*.c' '*.h' | while read -r file; do [ -f "$file" ] && wc -l "$file"; done |
	awk '$1 > 800 { print $2 ": file of " $1 " lines" }')
if [ -n "$big" ]; then
	echo "$big"
	status=1
fi
lines() { list "$@" | while read -r file; do [ -f "$file" ] && cat "$file"; done | wc -l; }
code=$(lines 'common/*.c' 'common/*.h' 'services/*.c' 'services/*.h')
tests=$(lines 'tests/*.c' 'tests/*.h' 'tests/*.mjs' 'tests/*.js' 'tests/*.sh' 'tests/*.py')
echo "lines of C $code, of tests $tests"
exit "$status"
