# shellcheck shell=bash
# Part of deploy/local/run: starts processes, watches and restarts them, stops them in reverse order.
#
# Each process has a session of its own, so that Ctrl-C reaches only the runner, and dies with the
# runner (parent-death signal), so that killing it leaves nothing behind.

declare -A pid_of=()     # name -> pid
declare -A name_of=()    # pid -> name
declare -A started_at=() # name -> seconds
declare -A pause_of=()   # name -> seconds before the next restart
declare -A timer_of=()   # pid of a sleeping back-off -> name
order=()
busy= # pid of the command that during runs
tick= # pid of the sleep that makes watch look around

# start NAME COMMAND...
start() {
	local name=$1 signal=TERM pid
	shift
	[ "$name" != postgres ] || signal=INT
	setsid setpriv --pdeathsig "$signal" -- "$@" >>"$VAR/log/$name.log" 2>&1 </dev/null 9>&- &
	pid=$!
	[ -n "${started_at[$name]:-}" ] || order+=("$name")
	pid_of[$name]=$pid
	name_of[$pid]=$name
	started_at[$name]=$SECONDS
	echo "$pid" >"$VAR/run/$name.pid"
}

alive() { [ -n "${pid_of[$1]:-}" ] && kill -0 "${pid_of[$1]}" 2>/dev/null; }

# A process ended: start it again after a pause that doubles up to RESTART_MAX_S and is forgotten after a
# minute of good running.
ended() {
	local name=$1 code=$2 pause=${pause_of[$1]:-0}
	unset "pid_of[$name]"
	((SECONDS - started_at[$name] < 60)) || pause=0
	((pause == 0)) && pause=1 || pause=$((pause * 2 > RESTART_MAX_S ? RESTART_MAX_S : pause * 2))
	pause_of[$name]=$pause
	say "$name ended with $code; starting it again in $pause s (see $VAR/log/$name.log)"
	sleep "$pause" 9>&- &
	timer_of[$!]=$name
}

# during COMMAND...: runs it while processes are watched; its exit code.
during() {
	local code=0
	"$@" 9>&- &
	busy=$!
	watch "$busy" || code=$?
	busy=
	return "$code"
}

# Ends that wait -n did not tell: a child that ends while bash is busy with another command may be
# forgotten by it, be it a process, a back-off or the tick itself.
look_around() {
	local name pid
	for pid in "${!timer_of[@]}"; do
		if ! kill -0 "$pid" 2>/dev/null; then
			name=${timer_of[$pid]}
			unset "timer_of[$pid]"
			start_one "$name"
		fi
	done
	for name in "${!pid_of[@]}"; do
		pid=${pid_of[$name]}
		if [ -n "${name_of[$pid]:-}" ] && ! kill -0 "$pid" 2>/dev/null; then
			unset "name_of[$pid]"
			ended "$name" unknown
		fi
	done
}

# watch [PID]: starts again what ends, until PID ends; its exit code. Without PID for ever.
watch() {
	local until=${1:-} dead code name
	while :; do
		if [ -z "$tick" ] || ! kill -0 "$tick" 2>/dev/null; then
			look_around
			sleep 1 9>&- &
			tick=$!
		fi
		dead=
		code=0
		wait -n -p dead || code=$?
		[ -n "${dead:-}" ] || continue
		[ "$dead" != "$until" ] || return "$code"
		if [ "$dead" = "$tick" ]; then
			tick=
		elif [ -n "${timer_of[$dead]:-}" ]; then
			name=${timer_of[$dead]}
			unset "timer_of[$dead]"
			start_one "$name"
		elif [ -n "${name_of[$dead]:-}" ]; then
			name=${name_of[$dead]}
			unset "name_of[$dead]"
			ended "$name" "$code"
		fi
	done
}

# stop NAME: SIGTERM (PostgreSQL: fast shutdown), 20 s, then SIGKILL.
stop() {
	local name=$1 pid=${pid_of[$1]:-} i
	[ -n "$pid" ] || return 0
	if [ "$name" = postgres ]; then kill -INT "$pid"; else kill -TERM "$pid"; fi 2>/dev/null || true
	for ((i = 0; i < 200; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	if kill -KILL "$pid" 2>/dev/null; then say "$name did not stop within 20 s: killed"; fi
	wait "$pid" 2>/dev/null || true
	rm -f "$VAR/run/$name.pid"
}

stop_all() {
	local code=$? i timer
	trap '' INT TERM
	trap - EXIT
	rm -f "$VAR/run/ready"
	[ ${#order[@]} -eq 0 ] || say "stopping"
	for timer in $busy $tick "${!timer_of[@]}"; do kill "$timer" 2>/dev/null || true; done
	for ((i = ${#order[@]} - 1; i >= 0; i--)); do stop "${order[i]}"; done
	rm -f "$VAR/run/run.pid"
	rm -rf "$RUN"
	[ -z "$stopping" ] || code=0
	exit "$code"
}
