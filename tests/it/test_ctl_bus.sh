#!/bin/bash
# The operator's commands against running brokers: what they show, as tables and as JSON, what they
# change, and what they say when something is wrong. TAP on standard output. BIN: folder of the
# programs.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
export SERVICES=directory PROFILE='' CLOCK=real LGSP_HTTP_ON=0
# shellcheck source=tests/support/local.sh
. tests/support/local.sh
start_or_end

# json EXPRESSION COMMAND...: of the command's lines, parsed into the list d, the expression is true.
json() {
	ctl "${@:2}" --json >"$VAR.json" &&
		python3 -c 'import json, sys
d = [json.loads(line) for line in open(sys.argv[1])]
sys.exit(not ('"$1"'))' "$VAR.json"
}
# says CODE TEXT COMMAND...: ends with the code and says the text.
says() {
	local code=$1 text=$2 got=0
	ctl "${@:3}" >"$VAR.said" 2>&1 </dev/null || got=$?
	cat "$VAR.said"
	[ "$got" = "$code" ] && grep -qF -- "$text" "$VAR.said"
}
ask() { echo '{"limit":1}' | ctl call directory ListAgencies >/dev/null; }
refuse() { ! echo '{"code":"x"}' | ctl call directory GetUnit 2>/dev/null; }

check "something is asked" ask
check "something is refused" refuse

# --- what there is ---

check "status shows the broker" says 0 'bus-1' status
check "status for programs" json 'd[0]["instance"] == "bus-1" and d[0]["services"][0]["name"] == "directory"' status
check "services with their workers" says 0 'directory-1' services
check "services for programs" json 'd[0]["services"][0]["workers"][0]["instance"] == "directory-1" and int(d[0]["services"][0]["requests"]) >= 2' services directory
check "a service that is not there" says 1 'NOT_FOUND service' services nobody
check "members with their answers" says 0 'VN/GOV/H40/lgsp-operator' members
check "one member, by its short name" json 'len(d[0]["members"]) == 1 and any(r["status"] == "STATUS_NOT_FOUND" for r in d[0]["members"][0]["replies"])' members lgsp-operator
check "queues with their bounds" says 0 'waiting' queues
check "queues for programs" json 'd[0]["queueEntriesMax"] == 1024 and d[0]["queues"][0]["queued"] == 0' queues
busy() { ask && "$@"; } # `top` looks back a minute: what it shall show is asked just before
check "who is busy" busy says 0 'directory ListAgencies' top --seconds 60
check "who is busy, for programs" busy json 'any(r["method"] == "ListAgencies" and int(r["failed"]) == 0 for r in d[0]["rows"]) and d[0]["seconds"] == 60' top --seconds 60
check "bounds of top" says 2 'is not a whole number of 1 to 60' top --seconds 61

# --- quota ---

check "quotas of everybody" says 0 'requests/s' quota
quota_set() { ctl quota one-stop requests_per_s=7 in_flight=3 && grep -x 'limit VN/GOV/H40/one-stop requests_per_s=7 in_flight=3' "$VAR/keys/rights"; }
check "a quota is written and in force" quota_set
check "and shown" json 'd[0]["members"][0]["requestsPerS"] == 7 and d[0]["members"][0]["inFlight"] == 3' quota one-stop
quota_again() { ctl quota one-stop requests_per_s=9 && [ "$(grep -c '^limit VN/GOV/H40/one-stop' "$VAR/keys/rights")" = 1 ]; }
check "a second one takes its place" quota_again
sums() { sha256sum <"$VAR/keys/rights"; }
before=$(sums)
check "a limit for nobody is refused" says 1 'no line is about VN/GOV/H40/nobody; nothing was changed' quota nobody in_flight=3
check "a number that is none is refused" says 1 'nothing was changed' quota one-stop requests_per_s=many
check "a word that is none too" says 2 'is not NAME=NUMBER' quota one-stop plenty
unchanged() { [ "$(sums)" = "$before" ]; }
check "and nothing was changed" unchanged
quota_none() { ctl quota one-stop none && ! grep '^limit VN/GOV/H40/one-stop' "$VAR/keys/rights"; }
check "a quota is taken away" quota_none
check "a member that is not there" says 1 'NOT_FOUND member' quota nobody

# --- reload ---

reload_refused() {
	cp "$VAR/keys/rights" "$VAR.rights" && echo 'grant everything' >>"$VAR/keys/rights" &&
		says 1 'RIGHTS_REFUSED' reload && grep 'line [0-9]' "$VAR.said"
	local code=$?
	cat "$VAR.rights" >"$VAR/keys/rights"
	return $code
}
check "a faulty rights file is refused with its line" reload_refused
check "the good one is taken" says 0 'in force' reload

# --- drain ---

check "a worker is drained" says 0 '0 requests in their hands' drain directory directory-1 --wait 10
drained() { ! echo '{"limit":1}' | ctl call directory ListAgencies --deadline 1000 2>"$VAR.err" && grep 'SERVICE_DRAINING' "$VAR.err"; }
check "its service refuses" drained
check "which is shown" says 0 'held back' services
check "the worker is given requests again" says 0 'bus-1: 1 workers' drain directory directory-1 --resume
check "and answers" ask
check "the whole broker only by its name" says 2 'needs a service, or --broker' drain
check "a broker that is not there" says 1 'no broker of LGSP_BUS_ADMIN says it is bus-7' drain --broker bus-7
check "a broker is drained" says 0 'bus-1:' drain --broker bus-1
check "and goes on again" says 0 'bus-1:' drain --broker bus-1 --resume
check "and answers" ask
check "a worker that is not there" says 1 'NO_SUCH_WORKER' drain directory directory-9

# --- records ---

id=018f9c2e-7a31-7c55-8f00-0123456789ab
with_id() { echo '{"limit":1}' | ctl call directory ListAgencies --id $id >/dev/null; }
check "a request with a known id" with_id
check "its trace, from the broker's memory" says 0 'directory.ListAgencies' trace $id
recorded() { ctl records query --message-id $id | grep "$id"; }
check "its record, from the files" until_true 10 recorded
check "records for programs" json 'd[0]["broker"] == "bus-1" and d[0]["service"] == "directory" and int(d[0]["arrivedUs"]) < int(d[0]["forwardedUs"])' records query --message-id $id
trace_of_id() { ctl records query --message-id $id --json | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["traceId"])'; }
by_trace() { json 'len(d) >= 1 and d[0]["worker"] == "directory-1"' trace "$(trace_of_id)"; }
check "by its trace" by_trace
check "by member, status and code" json 'any(r["method"] == "Services" for r in d) and all(r["status"] == "STATUS_NOT_FOUND" and r["member"].endswith("/lgsp-operator") for r in d)' records query --member lgsp-operator --status NOT_FOUND --code NOT_FOUND
check "by service and status" json 'any(r["method"] == "GetUnit" for r in d) and all(r["service"] == "directory" and r["status"] == "STATUS_NOT_FOUND" for r in d)' records query --service directory --status NOT_FOUND
check "by method" json 'len(d) >= 3 and all(r["method"] == "ListAgencies" for r in d)' records query --service directory --method ListAgencies
check "the newest of many" says 0 'older ones are not shown' records query --limit 1
check "by time" json 'len(d) == 0' records query --until 2020-01-01T00:00:00+07:00
check "a status that is none" says 2 'no status FINE' records query --status FINE
check "a time that is none" says 2 'is not like 2024-05-21T08:00:00+07:00' records query --since yesterday
check "a folder that is not there" says 1 'No such file' records query /nowhere
check "the files are whole" says 0 ', open' records verify
check "an id that is none" says 1 'INVALID_FIELD id' trace yesterday
check "an id nobody had" says 1 'no record of' trace ffffffffffffffffffffffffffffffff

# --- the metrics are documented ---

undocumented() {
	local name
	curl -s --unix-socket "$(setting LGSP_HEALTH | sed 's/.*bus=unix:\([^ ]*\).*/\1/')" http://bus/metrics |
		sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' | while read -r name; do
		grep -q "\`$name\`" docs/metrics.md || echo "$name"
	done
}
all_documented() { [ -z "$(undocumented | tee /dev/stderr)" ]; }
check "every metric of the broker stands in docs/metrics.md" all_documented
others_undocumented() {
	grep -rhoE '"lgsp_[a-z_]+"' common services --include='*.c' | tr -d '"' | sort -u | while read -r name; do
		grep -q "\`$name\`" docs/metrics.md || echo "$name"
	done
}
others_documented() { [ -z "$(others_undocumented | tee /dev/stderr)" ]; }
check "and that of the others" others_documented

# --- what is wrong ---

unreachable() { LGSP_BUS_ADMIN="$(setting LGSP_BUS_ADMIN) ipc:///tmp/no-such-broker" says 1 'is this broker running' "$@"; }
check "a broker that is away is said, the other shown" unreachable services
other_shown() { grep -q 'directory-1' "$VAR.said"; }
check "with its services" other_shown
away_json() { LGSP_BUS_ADMIN="$(setting LGSP_BUS_ADMIN) ipc:///tmp/no-such-broker" ctl queues --json >"$VAR.json" 2>/dev/null || grep '"endpoint":"ipc:///tmp/no-such-broker","error":"' "$VAR.json"; }
check "and in JSON" away_json
same_name() { LGSP_BUS_ADMIN="$(setting LGSP_BUS_ADMIN) $(setting LGSP_BUS_ADMIN)" says 1 'two brokers are called bus-1' status; }
check "two brokers of one name are told" same_name
not_granted() { LGSP_KEY=$VAR/keys/one-stop.key_secret says 1 'grant MEMBER bus METHOD' top; }
check "a member without rights is told what it needs" not_granted

# --- the audit line ---

# audited COMMAND TEXT...: the command leaves one line more, and it says each of them.
audited() {
	local before text
	before=$(wc -l <"$VAR/log/audit") || return 1
	eval "$1"
	[ "$(wc -l <"$VAR/log/audit")" = $((before + 1)) ] || return 1
	for text in "${@:2}"; do tail -n 1 "$VAR/log/audit" | grep -qF -- "$text" || return 1; done
}
check "a quota leaves an audit line" audited 'ctl quota one-stop none' act=quota 'words="one-stop none"' outcome=done "uid="
check "a drain, and what takes it back" audited 'ctl drain directory' act=drain words=directory outcome=done
check "which is a drain, too" audited 'ctl drain directory --resume' 'words="directory --resume"' outcome=done
check "a reload" audited 'ctl reload' act=reload outcome=done
check "a call with an effect, that was refused" audited 'echo "{}" | ctl call directory AppointOfficer --as 036190000017:operator:H40' act=call \
	'words="directory AppointOfficer --as #:operator:H40"' outcome=failed
read_leaves_none() { ! audited ask && ! audited 'ctl quota' && ! audited 'ctl status'; }
check "what only looks leaves none" read_leaves_none

# --- closed files ---

check "everything stops" stop
check "the closed files are whole" says 0 ', whole' records verify "$VAR/records"
broken() {
	local file
	file=$(find "$VAR/records" -name '*.rec' | head -n 1)
	cp "$file" "$VAR.rec" && printf 'X' | dd of="$file" bs=1 seek=200 conv=notrunc status=none &&
		! ctl records verify "$VAR/records" >"$VAR.said" && ! grep ', whole' "$VAR.said"
}
check "a changed one is found" broken
echo "1..$n"
