#!/bin/bash
# The demo on a suite of its own: every line of proof is looked up again in its feed, and the
# indicators are computed a second way, from the services' tables. On the real clock the profile's
# agencies are no more, and the filing is refused. TAP on standard output. BIN: folder of the programs.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/support/local.sh
. tests/support/local.sh
feeds='dossier payment digitisation task'

sql() { psql -qAt -F' ' "$(setting LGSP_ADMIN_DSN)" -c "SET timezone = 'Asia/Ho_Chi_Minh'" -c "$1"; }
heads() {
	local f total=0
	for f in $feeds; do total=$((total + $(head_of "$f"))); done
	echo $total
}
# The value of "name" in one JSON object; numbers may be strings, and zero is left out.
field() {
	local value
	value=$(sed -n "s/.*\"$1\":\"\\{0,1\\}\\([0-9]*\\).*/\\1/p")
	echo "${value:-0}"
}
head_of() { echo "{\"feed\":\"$1\"}" | ctl call "$1" Feed.Head | field highWater; }
# measure ID: "numerator denominator" as the KPI service gives it for the demo's month.
measure() {
	local json
	json=$(echo "{\"indicatorId\":\"$1\",\"period\":\"2024-05\"}" | ctl call kpi Get)
	echo "$(field numerator <<<"$json") $(field denominator <<<"$json")"
}

start_or_end
before=$(heads)
play() { ctl demo >"$VAR.demo" 2>&1; }
check "the demo plays" play
last() { tail -n 1 "$VAR.demo" | grep -E '^demo: dossier H40\.31\.01-240521-0001 finished, [0-9]+ events, [0-9]+ indicators changed$'; }
check "its last line names the dossier" last
events_counted() { [ "$(sed -n 's/^demo: .* finished, \([0-9]*\) events.*/\1/p' "$VAR.demo")" = $(($(heads) - before)) ]; }
check "it counts every event it made" events_counted
indicators_counted() {
	[ "$(sed -n 's/^demo: .*, \([0-9]*\) indicators changed/\1/p' "$VAR.demo")" = \
		"$(sed -nE 's/^ +([A-Z][A-Z0-9-]+) +[0-9]+ of [0-9]+ -> .*/\1/p' "$VAR.demo" | sort -u | wc -l)" ]
}
check "and every indicator it shows" indicators_counted
proofs() {
	local service pos type lines=0
	while read -r service pos type; do
		ctl feed "$service" --after $((pos - 1)) --limit 1 | grep -q "^{\"pos\":$pos,.*\"type\":\"$type\"" || return 1
		lines=$((lines + 1))
	done < <(sed -nE 's/^ +([a-z]+)#([0-9]+) ([a-z._]+)$/\1 \2 \3/p' "$VAR.demo")
	((lines == 22))
}
check "each proof stands at its position of the feed" proofs
seals_hold() {
	local f
	for f in $feeds directory kpi; do ctl feed "$f" --verify || return 1; done
}
check "the seals of every feed hold" seals_hold
# --- what outsiders are told of it ---
published_hold() { ctl feed dossier --feed dossier.states --verify && ctl feed directory --feed directory.catalogue --verify && ctl feed kpi --feed kpi.indicators --verify; }
check "the seals of the published feeds hold" published_hold
told() { ctl feed dossier --feed dossier.states >"$VAR.told" && tail -n 1 "$VAR.told" | grep '"state":"DOSSIER_STATE_RETURNED"' && [ "$(head -n 1 "$VAR.told" | grep -c '"state":"DOSSIER_STATE_FILED"')" = 1 ]; }
check "dossier.states tells it from filing to return" told
no_person() { ! grep -E 'owner|[0-9a-f]{64}|file_id|fileId|causation|vnd' "$VAR.told"; }
check "and no person, paper or fee" no_person

# --- the figures, a second way ---

month="'2024-05-01' AND '2024-06-01'"
same() {
	local kpi own
	kpi=$(measure "$1")
	own=$(sql "$2")
	echo "$1: kpi $kpi, tables $own"
	[ "$kpi" = "$own" ] && [ "${own#* }" != 0 ]
}
check "R2-04 agrees with the histories" same R2-04 "
	SELECT count(*) FILTER (WHERE handoffs = handoffs_electronic), count(*)
	FROM dossier.dossier WHERE finished_at BETWEEN $month AND handoffs > 0"
check "R2-05 agrees with fees and procedures" same R2-05 "
	SELECT count(*) FILTER (WHERE f.online), count(*) FROM dossier.procedure_version p
	LEFT JOIN payment.fee f ON f.procedure_code = p.code WHERE p.fee_vnd > 0"
check "R2-06 agrees with the orders" same R2-06 "
	SELECT count(*) FILTER (WHERE o.method = 2), count(*) FROM payment.pay_order o
	JOIN payment.fee f USING (procedure_code) WHERE f.online AND o.paid_at BETWEEN $month"
check "R2-07 agrees with the declared backlog and the records" same R2-07 "
	SELECT (SELECT count(*) FROM digitisation.record WHERE issuing_agency_code = 'H40.31' AND confirmed),
		1200 + (SELECT count(*) FROM dossier.dossier WHERE competent_agency = 'H40.31' AND finished_at IS NOT NULL)"
check "R2-12 agrees with the dossiers" same R2-12 "
	SELECT count(*) FILTER (WHERE d.channel IN (3, 4) AND p.online_level >= 3), count(*)
	FROM dossier.dossier d JOIN dossier.procedure_version p ON (p.code, p.version) = (procedure_code, procedure_version)
	WHERE finished_at BETWEEN $month"
check "R2-13 agrees with the ratings" same R2-13 "
	SELECT count(*) FILTER (WHERE result >= 4), count(*) FROM dossier.rating WHERE at BETWEEN $month"
check "R2-16 agrees with the components" same R2-16 "
	SELECT count(*) FILTER (WHERE NOT demanded), count(*) FROM (
		SELECT bool_or(demanded) AS demanded FROM dossier.component JOIN dossier.dossier d ON d.code = dossier
		WHERE held_record IS NOT NULL AND submitted_at BETWEEN $month GROUP BY dossier) q"
ledger() { [ "$(sql 'SELECT count(*) > 0 AND sum(debit_vnd) = sum(credit_vnd) FROM payment.ledger_entry')" = t ]; }
check "the ledger balances" ledger

# --- again ---

check "the demo plays again" play
second() { tail -n 1 "$VAR.demo" | grep '^demo: dossier H40\.31\.01-240521-0002 finished,'; }
check "its code follows without a gap" second
check "SIGTERM ends the suite with 0" stop

# --- on the real clock ---

real_clock() { rm -rf "$(readlink -f "$VAR")" "$VAR" && CLOCK=real start; }
check "a suite on the real clock starts" real_clock
refused() { ! play && grep -A3 'Submit: INVALID' "$VAR.demo" | grep 'AGENCY_NOT_IN_FORCE agency_code'; }
check "on the real clock the filing is refused: the agency is no more" refused
no_dossier() { [ "$(sql 'SELECT count(*) FROM dossier.dossier')" = 0 ]; }
check "and nothing is filed" no_dossier

echo "1..$n"
