#!/bin/bash
# tidy.sh FLAG... -- FILE...: clang-tidy over the files with these compiler flags, findings only.
set -euo pipefail
flags=()
while [ "$1" != -- ]; do
	flags+=("$1")
	shift
done
shift
for file; do
	[ -f "$file" ] && files+=("$file")
done
[ -n "${files[*]-}" ] || exit 0
# "37 warnings generated" goes to standard error; so would the reason of a crash, which fails anyway.
if ! out=$(clang-tidy --quiet "${files[@]}" -- "${flags[@]}" 2>/dev/null); then
	printf '%s\n' "$out"
	exit 1
fi
