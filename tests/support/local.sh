# shellcheck shell=bash
# Sourced by shell tests: TAP on standard output, the built programs in BIN, and a suite of one's own
# started by the local runner in a fresh VAR that is removed at the end.

BIN=$(cd "${BIN:-build/release/bin}" && pwd) || exit 1
export BIN
VAR=$(mktemp -d /tmp/lgsp-local-XXXXXX)
rmdir "$VAR" # the runner makes it, for the user it runs as
export VAR LGSP_ENV_FILE=$VAR/run/lgspctl.env
export DEMO=0 LGSP_PORT=0 LGSP_BUS_PORT=0 READY_S=60
export PG_SETTINGS='fsync=off;synchronous_commit=off;full_page_writes=off;shared_buffers=64MB'
n=0
runner=

# check NAME COMMAND...
check() {
	n=$((n + 1))
	if "${@:2}" >"$VAR.out" 2>&1; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		tail -n 20 "$VAR.out" | sed 's/^/# /'
	fi
}
ctl() { "$BIN/lgspctl" "$@"; }
setting() { sed -n "s/^$1=//p" "$LGSP_ENV_FILE"; }

# until_true SECONDS COMMAND...
until_true() {
	local end=$((SECONDS + $1))
	while ! "${@:2}"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}
is_alive() { case $(ps -o stat= -p "$1") in '' | Z*) return 1 ;; esac; }
none_alive() {
	local pid
	for pid in "$@"; do ! is_alive "$pid" || return 1; done
}
is_ready() { [ -e "$VAR/run/ready" ]; }
is_ready_or_over() { is_ready || ! is_alive "$runner"; }

start() {
	rm -f "$VAR/run/ready"
	deploy/local/run >>"$VAR.log" 2>&1 &
	runner=$!
	until_true 120 is_ready_or_over
	is_ready
}
stop() {
	kill -TERM "$runner"
	wait "$runner"
	local code=$?
	runner=
	return $code
}
# shellcheck disable=SC2034 # used by those who source this
mapfile_children() { mapfile -t children < <(pgrep -P "$runner"); }

cleanup() {
	[ -z "$runner" ] || { kill -TERM "$runner"; wait "$runner"; } 2>/dev/null
	rm -rf "$VAR" "$VAR".*
}
trap cleanup EXIT

# The first start, without which nothing else can be tested.
start_or_end() {
	check "everything starts" start
	is_ready && return
	sed 's/^/# /' "$VAR.log"
	echo "1..$n"
	exit 1
}
