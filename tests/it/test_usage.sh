#!/bin/bash
# Usage from end to end: requests on the bus, the broker's record files, their import into the
# directory, its feeds, and the KPI's indicator R6-05. TAP on standard output. BIN: folder of the
# programs.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
export SERVICES='directory dossier payment kpi' LGSP_HTTP_ON=0 RECORDS_MAX_S=2
# shellcheck source=tests/support/local.sh
. tests/support/local.sh
start_or_end

# figure KEY: of R6-05 in this business month.
figure() {
	local month
	month=$(date -u -d "@$((($(date +%s%6N) + $(setting LGSP_CLOCK_OFFSET_US)) / 1000000 + 25200))" +%Y-%m)
	echo "{\"indicatorId\":\"R6-05\",\"period\":\"$month\"}" | ctl call kpi Get |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["measure"].get(sys.argv[1], ""))' "$1"
}
files() { find "$VAR/records" -name '*.rec' | wc -l; }
# sum COLUMN of the directory's hours, but of the importer's own calls, which never end.
sum() {
	psql -qtA "$(setting LGSP_ADMIN_DSN)" -c "SELECT coalesce(sum(requests), 0) FROM directory.usage_hour WHERE method = '$1'"
}

ask() { echo '{"code":"1.001612"}' | ctl call dossier GetProcedure >/dev/null; }
five() { for _ in 1 2 3 4 5; do ask || return; done; }
check "something is asked" five
counted() { [ "$(sum GetProcedure)" = 5 ]; }
check "and counted, by the runner's importer" until_true 30 counted

# --- once, and once only ---

recorded() { ctl records query --method GetProcedure --json | wc -l; }
same_count() { [ "$(recorded)" = 5 ] && counted; }
check "records and sums agree" same_count
again() { ctl records import --all >"$VAR.said" && grep -E '[1-9][0-9]* known before' "$VAR.said" && counted; }
check "importing everything again changes nothing" again
by_another() { cp -r "$VAR/records" "$VAR.copy" && ctl records import --all "$VAR.copy" && counted; }
check "nor does another importer with a copy" by_another
two_at_once() {
	five && five && sleep_files=$(files) && until_true 20 more_files || return
	ctl records import --all >/dev/null & ctl records import --all >/dev/null
	wait $! && until_true 30 fifteen
}
more_files() { [ "$(files)" -gt "$sleep_files" ]; }
fifteen() { [ "$(sum GetProcedure)" = 15 ]; }
check "two importers at once count once" two_at_once
broken_is_said() {
	local file
	file=$(find "$VAR.copy" -name '*.rec' | sort | head -n 1)
	printf 'X' | dd of="$file" bs=1 seek=150 conv=notrunc status=none
	! ctl records import --all "$VAR.copy" 2>"$VAR.said" && grep 'its usage is not counted' "$VAR.said" && fifteen
}
check "a file that is not whole is said and not counted" broken_is_said

# --- the broker dies ---

kill -KILL "$(cat "$VAR/run/bus.pid")"
back() { ctl health >/dev/null; }
check "the broker comes back" until_true 60 back
check "and is asked" five
twenty() { [ "$(sum GetProcedure)" = 20 ]; }
check "nothing is lost and nothing doubled" until_true 30 twenty
check "the chain of its files holds" ctl records verify

# --- feeds and the indicator ---

own_feed() { ctl feed directory --limit 100000 | grep -q '"directory.usage_reported"'; }
check "the directory's feed tells it" own_feed
published() { ctl feed directory --feed directory.usage --verify | grep 'nothing missing or changed'; }
check "the published feed holds" published
measured() { [ "$(figure measurable)" = True ] && [ "$(figure denominator)" = 4 ] && [ "$(figure numerator)" -ge 1 ]; }
check "the KPI measures R6-05" until_true 20 measured

check "everything stops" stop
echo "1..$n"
