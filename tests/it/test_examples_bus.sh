#!/bin/bash
# The callers and workers of docs/examples, in C, Python and Node, each caller against each worker
# through a real broker: keys and rights of their own, a dead endpoint first, deadlines, a broker killed
# and started again, draining. TAP on standard output. BIN: folder of the programs.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/support/local.sh
. tests/support/local.sh

mkdir "$VAR"
export LGSP_ENV_FILE=/dev/null LGSP_KEYS_DIR=$VAR/keys LGSP_MEMBERS_DIR=$VAR/keys/members LGSP_RIGHTS=$VAR/keys/rights
export LGSP_BUS_KEY=$VAR/keys/broker.key
languages='c python node'
node=$(find "$PWD/tests/node_modules" -path '*/node-linux-*/bin/node' | head -n 1)
declare -A worker_pid
broker=

# --- what the operator does ---

make_keys() {
	local language
	ctl keys init "$VAR/keys" || return 1
	for language in $languages; do
		ctl member enrol "desk-$language" --grant "greeting Greet" &&
			ctl member enrol "greeter-$language" --serve greeting || return 1
	done
}
start_broker() {
	LGSP_KEY=$VAR/keys/broker.key_secret LGSP_BIND_MEMBER=ipc://$VAR/member LGSP_BIND_BACKEND=ipc://$VAR/backend \
		LGSP_BIND_ADMIN=ipc://$VAR/admin LGSP_HTTP=unix:$VAR/http "$BIN/lgsp-bus" 2>>"$VAR/bus.log" &
	broker=$!
	until_true 20 is_serving
}
is_serving() { LGSP_HTTP=unix:$VAR/http "$BIN/lgsp-bus" --healthcheck >/dev/null 2>&1; }
metric() { curl -fsS --unix-socket "$VAR/http" http://bus/metrics | sed -n "s/^$1 //p"; }

# --- what an outsider does ---

make_messages() {
	mkdir "$VAR/py" "$VAR/c" || return 1
	protoc -Iproto -Idocs/examples --python_out="$VAR/py" proto/lgsp/{common,bus}/v1/*.proto docs/examples/greeting.proto &&
		protoc -Iproto -Idocs/examples --c_out="$VAR/c" proto/lgsp/common/v1/status.proto \
			proto/lgsp/bus/v1/header.proto docs/examples/greeting.proto
}
# compile PROGRAM: warnings are errors in our example, not in what protoc-c makes of its messages.
compile() {
	local flags
	flags=$(pkg-config --cflags --libs libzmq libprotobuf-c)
	# shellcheck disable=SC2046,SC2086 # lists of words
	cc -std=gnu11 -g -Wall -Wextra -Werror -fsanitize=address,undefined -I"$VAR/c" -o "$VAR/$1" "docs/examples/c/$1.c" \
		docs/examples/c/common.c $(find "$VAR/c" -name '*.c') $flags
}
# run PROGRAM LANGUAGE ARGUMENT...: in place of this shell, so that it can be signalled.
run() {
	case $2 in
	c) exec "$VAR/$1" "${@:3}" ;;
	python) PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$VAR/py exec /usr/bin/python3 "docs/examples/python/$1.py" "${@:3}" ;;
	node) cd tests && exec "$node" "../docs/examples/node/$1.mjs" "${@:3}" ;;
	esac
}
start_worker() {
	(LGSP_BUS_BACKEND=${2:-ipc://$VAR/backend} LGSP_KEY=$VAR/keys/greeter-$1.key_secret LGSP_INSTANCE=$1-worker \
		run worker "$1") >>"$VAR/$1.out" 2>>"$VAR/$1.err" &
	worker_pid[$1]=$!
	until_true 20 workers_are 1
}
workers_are() { [ "$(metric 'lgsp_bus_workers{service="greeting"}')" = "$1" ]; }
# Drained: it ends by itself, well, and has nothing to complain of.
end_worker() {
	kill -TERM "${worker_pid[$1]}"
	wait "${worker_pid[$1]}" && [ ! -s "$VAR/$1.err" ] && return
	cat "$VAR/$1.err"
	return 1
}
# The first endpoint is dead: every caller has to find the second.
endpoints="ipc://$VAR/nobody ipc://$VAR/member"
call() {
	(LGSP_BUS_MEMBER=$endpoints LGSP_KEY=$VAR/keys/desk-$1.key_secret run caller "$@")
}
says() {
	local answer
	answer=$(call "${@:2}" 2>"$VAR/caller.err")
	[ "$answer" = "$1" ] && [ ! -s "$VAR/caller.err" ] && return
	echo "said: $answer"
	cat "$VAR/caller.err"
	return 1
}

# --- tests ---

check "keys and rights of six members" make_keys
check "messages for Python and C" make_messages
check "the caller in C compiles" compile caller
check "the worker in C compiles" compile worker
check "a broker" start_broker

greets() { says "Xin chào, Lan! (greeting/$2-worker)" "$1" Lan; }
for worker in $languages; do
	check "worker in $worker joins" start_worker "$worker"
	for caller in $languages; do check "caller in $caller, worker in $worker" greets "$caller" "$worker"; done
	check "worker in $worker drains at once" end_worker "$worker"
	check "and said good-bye: no worker was lost" workers_are 0
done

# What the caller gave up is not begun: the worker says so itself, later.
saw() { grep -qF "$2" "$VAR/$1.out"; }
begins_nothing_late() {
	endpoints=ipc://$VAR/member says 'EXPIRED EXPIRED_IN_FLIGHT UNKNOWN' "$1" Minh 900 300 0 && until_true 10 saw "$1" expired && ! saw "$1" 'greeted Minh'
}
# One request in hand when SIGTERM comes: it is answered, then the worker ends.
finishes_what_it_has() {
	says "Xin chào, Hoa! (greeting/$1-worker)" "$1" Hoa 2500 &
	local caller=$!
	until_true 20 in_flight && end_worker "$1" && wait "$caller"
}
in_flight() { [ "$(metric 'lgsp_bus_in_flight{service="greeting"}')" = 1 ]; }
# The broker is killed with the request in the worker's hands, and comes back. Whoever has not seen that the
# connection ended gets PONGs from the new one and waits for its deadline, beyond what it is willing to in all.
survives_the_broker() {
	says "Xin chào, Nam! (greeting/$1-worker)" "$1" Nam 2500 60000 &
	local caller=$!
	until_true 20 in_flight && kill -KILL "$broker" || return 1
	wait "$broker" 2>/dev/null
	start_broker && wait "$caller" && workers_are 1
}
for language in $languages; do
	check "worker in $language joins again" start_worker "$language"
	check "$language: past its deadline a request is not begun" begins_nothing_late "$language"
	check "$language: caller and worker survive the broker" survives_the_broker "$language"
	check "$language: draining finishes what is in hand" finishes_what_it_has "$language"
done

# A worker without the right gets DISCONNECT and tries again for ever; what it lacks stands in the broker's log.
told_why() { grep -q 'bus.worker_refused member=VN/GOV/H40/desk-python service=greeting why=NOT_GRANTED$' "$VAR/bus.log"; }
may_not_serve() {
	(LGSP_BUS_BACKEND=ipc://$VAR/backend LGSP_KEY=$VAR/keys/desk-python.key_secret run worker python) >"$VAR/refused.out" 2>&1 &
	local pid=$! rc=0
	until_true 20 told_why || rc=1
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	return "$rc"
}
check "a worker that may not serve is refused, and the log says why" may_not_serve

# --- plain MDP/0.2: libraries that know RFC 18 and nothing of ours ---

stock() { PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/it/stock_mdp.py "$1" "ipc://$VAR/$2" "$LGSP_BUS_KEY" "$VAR/keys/$3.key_secret" greeting "${@:4}"; }
# The header of a good request, the first of the golden frames with one; the body says "Tax".
header=$(sed -n 's/^ *"hex": "\(4c474831.*\)"$/\1/p' tests/golden/frames.json | head -n 1)
stock_worker_joins() {
	(stock worker backend greeter-python) >"$VAR/stock.out" 2>"$VAR/stock.err" &
	stock_pid=$!
	until_true 20 workers_are 1
}
# Two body frames: our header, their body. Both come back: reply header, body.
stock_client_is_served() {
	local answer
	answer=$( (stock client member desk-python "$header" 0a03546178))
	echo "$answer"
	[[ $answer == "03 4c474831080110012a0573746f636b"*" 0a03546178" ]]
}
stock_client_is_told() {
	local answer
	answer=$( (stock client member desk-python "$@"))
	echo "$answer"
	[[ $answer == "03 4c47483108021002"*4241445f484541444552* ]] # INVALID, NOT_DONE; BAD_HEADER
}
# Its requests have caller, header and body as body frames, and come one at a time.
stock_worker_was_asked() {
	local callers=()
	for _ in 1 2 3; do (stock client member desk-python "$header" 0a03546178) >>"$VAR/stock.many" & callers+=($!); done
	wait "${callers[@]}" && [ "$(grep -c '^03 4c4748310801' "$VAR/stock.many")" = 3 ] && [ "$(sort -u "$VAR/stock.out")" = 3 ]
}
stock_worker_leaves() {
	kill -KILL "$stock_pid"
	wait "$stock_pid" 2>/dev/null
	[ ! -s "$VAR/stock.err" ] && until_true 20 workers_are 0
}
check "a stock MDP worker joins" stock_worker_joins
check "a stock MDP client passes header and body as two body frames" stock_client_is_served
check "without the header it is told so" stock_client_is_told 0a03546178
check "with two frames of its own too" stock_client_is_told 68656c6c6f 0a03546178
check "the stock worker gets one request at a time" stock_worker_was_asked
check "and is missed when it is gone" stock_worker_leaves

refused() { says "DENIED NOT_GRANTED NOT_DONE" "$1" x; }
no_rights() { sed -i '/greeting Greet/d' "$LGSP_RIGHTS" && kill -HUP "$broker" && until_true 10 reloaded; }
reloaded() { [ "$(metric 'lgsp_bus_reloads_total{result="ok"}')" = 1 ]; }
nobody_serves() { endpoints=ipc://$VAR/member says 'NO_SERVICE NO_SERVICE NOT_DONE' "$1" x 0 10000 0; }
for language in $languages; do check "$language: nobody serves, and that is said" nobody_serves "$language"; done
check "the rights are taken away" no_rights
for language in $languages; do check "$language: what is not granted is denied" refused "$language"; done

stop_broker() { kill -TERM "$broker" && wait "$broker"; }
check "the broker ends well" stop_broker
for language in $languages; do check "$language: nobody answers, and nothing was done" says 'NO_ANSWER - NOT_DONE' "$language" x 0 1000 0; done

echo "1..$n"
