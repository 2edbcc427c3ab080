#!/bin/bash
# The local runner with two brokers: everybody knows both, either may be killed or drained, and calls go on.
# TAP on standard output. BIN: folder of the programs.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/support/local.sh
. tests/support/local.sh
export LGSP_BROKERS=2 PROFILE='' CLOCK=real SERVICES='directory task' LGSP_HTTP_ON=0

wrong() { ! LGSP_BROKERS=5 deploy/local/run >"$VAR.wrong" 2>&1 && grep 'is not 1 to 4' "$VAR.wrong"; }
check "more than four brokers are refused" wrong
start_or_end

two() { [ "$(pgrep -cP "$runner" -f 'lgsp-bus')" = 2 ]; }
check "two brokers run" two
ready() { ctl health; }
check "all processes are ready" ready
endpoints() {
	local name
	for name in LGSP_BUS_MEMBER LGSP_BUS_ADMIN; do [ "$(setting $name | wc -w)" = 2 ] || return 1; done
}
check "clients and operators are given both" endpoints
metric() { curl -sS --unix-socket "$(setting LGSP_HEALTH | tr ' ' '\n' | sed -n "s/^$1=unix://p")" http://x/metrics | sed -n "s/^$2 //p"; }
workers() {
	local broker service
	for broker in bus bus-2; do
		for service in directory task; do
			[ "$(metric $broker "lgsp_bus_workers{service=\"$service\"}")" = 1 ] || return 1
		done
	done
}
check "every service is registered with both" until_true 10 workers
call() { echo '{}' | ctl call directory ListAgencies --deadline 10000; }
check "a call is answered" call
kill -KILL "$(cat "$VAR/run/bus.pid")"
check "with the first broker killed too" call
check "which comes back, and the services with it" until_true 30 workers
kill -KILL "$(cat "$VAR/run/bus-2.pid")"
check "with the second killed too" call
check "which comes back as well" until_true 30 workers
check "SIGTERM ends all" stop

echo "1..$n"
