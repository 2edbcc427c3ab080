#!/bin/bash
# Follows docs/new-service.md: takes its blocks into a copy of the tree, builds the service, lints it,
# and runs its tests. TAP on standard output.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
build=${BUILD_DIR:-build/san-address-undefined}
san=${build#build/san-}
san=${san//-/,}
[ "$san" != "$build" ] || san=

copy=$(mktemp -d /tmp/lgsp-walk-XXXXXX)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard |
	tar --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -xf - -C "$copy"
cd "$copy" || exit

n=0
step() { # NAME COMMAND...: one test
	local name=$1
	n=$((n + 1))
	shift
	if "$@" >"$copy/out" 2>&1; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		sed 's/^/# /' "$copy/out" | tail -n 40
	fi
}

# Blocks that name a file: ```lang path, or ```lang >> path to append.
extract() {
	awk '
	/^```[a-z]+ (>> )?[A-Za-z0-9_.\/-]+$/ {
		path = $NF
		dir = path
		sub(/\/[^\/]*$/, "", dir)
		system("mkdir -p " dir)
		if ($2 != ">>") { printf "" > path; files++ }
		taking = 1
		next
	}
	/^```$/ && taking { close(path); taking = 0; next }
	taking { print >> path }
	END { exit files < 10 }
	' docs/new-service.md && git init -q . && git add -A # the linters ask git what there is
}

formatted() {
	find services/feedback tests/unit/test_feedback_rules.c tests/it/test_feedback.c \
		-name '*.[ch]' -exec clang-format --dry-run -Werror {} +
}

lint() {
	deploy/lint/"$1".sh
}

program=${build}/bin/lgsp-feedback
it=$build/tests/it/test_feedback
unit=$build/tests/unit/test_feedback_rules

echo "1..9"
step "the blocks make a service" extract
step "formatted as the house formats" formatted
step "layers" lint includes
step "contracts" lint proto
step "SQL names" lint sql
step "it builds without a line in the Makefile" make -j2 SAN="$san" "$program" "$unit" "$it"
step "the program explains itself" "$program" --help
step "its rules hold" "$unit"
step "it serves" "$it"
