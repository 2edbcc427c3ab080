#!/bin/bash
# Death at every named point of every process, while a dossier is played: all ends well, nothing is
# lost, nothing counts twice. One suite; for each point it is armed anew, each program dies there once
# (noted with its pid), the runner starts it again, and the demo goes on with the same message ids.
# TAP on standard output. BIN: folder of programs built with crash points. `make chaos` runs it; the same points
# are tested service by service in tests/it, where the test itself starts and watches the processes.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/support/local.sh
. tests/support/local.sh

armed=$VAR.armed crashes=$VAR.crashes
: >"$armed"
: >"$crashes"
chmod 666 "$armed" "$crashes"
export LGSP_CRASH_POINT=@$armed LGSP_CRASH_LOG=$crashes RESTART_MAX_S=1
feeds='dossier payment digitisation task'

sql() { psql -qAt -F' ' "$(setting LGSP_ADMIN_DSN)" -c "$1"; }
pid_of() { cat "$VAR/run/$1.pid"; }

start_or_end

# Points and who passes them in one dossier's life: kpi only consumes then, and nothing of the directory
# changes.
doers='lgsp-dossier lgsp-payment lgsp-digitisation lgsp-task'
points() {
	local p
	for p in tx.before_commit tx.after_commit svc.before_commit svc.after_commit \
		relay.before_commit relay.after_commit; do echo "$p $doers"; done
	for p in consumer.before_commit consumer.after_commit; do
		echo "$p lgsp-dossier lgsp-payment lgsp-digitisation lgsp-kpi"
	done
}

all_died() {
	local point=$1 name pid
	shift
	for name in "$@"; do
		pid=$(sed -n "s/^$point \([0-9]*\) $name$/\1/p" "$crashes")
		if [ -z "$pid" ]; then
			echo "$name did not pass $point"
			return 1
		fi
		if [ "$(wc -w <<<"$pid")" -ne 1 ] || [ "$pid" = "$(pid_of "${name#lgsp-}")" ]; then
			echo "$name: died as $pid, runs as $(pid_of "${name#lgsp-}")"
			return 1
		fi
	done
}

played=0
play() {
	echo "$1" >"$armed"
	ctl demo >"$VAR.demo" 2>&1 || { cat "$VAR.demo"; return 1; }
	: >"$armed"
	played=$((played + 1))
	grep -q "^demo: dossier H40\.31\.01-240521-$(printf %04d $played) finished, " "$VAR.demo" || { tail -n 3 "$VAR.demo"; return 1; }
	ctl health --wait 60
}

while read -r point names; do
	check "a dossier is played through $point" play "$point"
	# shellcheck disable=SC2086 # a list of names
	check "and each of them died there once:${names//lgsp-/ }" all_died "$point" $names
done < <(points)

# --- nothing lost, nothing doubled ---

# counts TABLES-SQL: one row of numbers, each as often as a dossier was played.
each_once() {
	local row number
	row=$(sql "$1")
	echo "$row, played $played"
	for number in $row; do [ "$number" = "$played" ] || return 1; done
}
check "one dossier, order, receipt, result record and task each" each_once "
	SELECT (SELECT count(*) FROM dossier.dossier WHERE state = 10),
		(SELECT count(*) FROM payment.pay_order WHERE state = 2),
		(SELECT count(DISTINCT receipt_number) FROM payment.pay_order),
		(SELECT count(*) FROM payment.ledger_tx),
		(SELECT count(*) FROM digitisation.record WHERE dossier_code <> ''),
		(SELECT count(*) FROM task.task)"
check "one event of each kind for each" each_once "
	SELECT count(*) FILTER (WHERE type = 'dossier.submitted'), count(*) FILTER (WHERE type = 'dossier.resumed'),
		count(*) FILTER (WHERE type = 'dossier.result_issued'), count(*) FILTER (WHERE type = 'dossier.returned')
	FROM dossier.feed"
check "and of payments" each_once "
	SELECT count(*) FILTER (WHERE type = 'payment.order_opened'), count(*) FILTER (WHERE type = 'payment.paid') FROM payment.feed"
check "the figures count each once" each_once "
	SELECT (SELECT sum(denominator) FROM kpi.counter WHERE indicator_id = 'R2-06'),
		(SELECT sum(denominator) FROM kpi.counter WHERE indicator_id = 'R2-12'),
		(SELECT sum(denominator) FROM kpi.counter WHERE indicator_id = 'R2-16'),
		(SELECT sum(denominator) FROM kpi.counter WHERE indicator_id = 'TASK-ON-TIME')"
none_parked() {
	local f
	for f in dossier payment digitisation task kpi; do [ "$(sql "SELECT count(*) FROM $f.dead_letter")" = 0 ] || return 1; done
}
check "no event is parked" none_parked
seals_hold() {
	local f
	for f in $feeds; do ctl feed "$f" --verify >/dev/null || return 1; done
}
check "the feeds are dense and their seals hold" seals_hold
check "SIGTERM ends the suite with 0" stop

echo "1..$n"
