#!/bin/bash
# The local runner and lgspctl on the built programs: a start, what it leaves on the machine, crashes,
# a clean stop, a second start with the same data; profile, calls and migrations as an operator runs
# them. TAP on standard output. BIN: folder of the programs.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/support/local.sh
. tests/support/local.sh
profile=deploy/profiles/nam-dinh-2021

start_or_end
mapfile_children

# --- what it is ---

check "all processes are ready" ctl health
nothing_as_root() { ! ps -o user= -p "$(IFS=,; echo "${children[*]}")" | grep -qx root; }
check "nothing runs as root" nothing_as_root
secrets_closed() {
	local secrets=(\( -name '*_secret' -o -name '*.pem' -o -name owner.key -o -name '*_svc' \))
	[ "$(find "$VAR/keys" "$VAR/passwords" "${secrets[@]}" | wc -l)" -ge 10 ] &&
		[ -z "$(find "$VAR/keys" "$VAR/passwords" "${secrets[@]}" ! -perm 600)" ]
}
check "secrets are files of mode 0600" secrets_closed
postgres_on_no_address() {
	local inode pid
	pid=$(cat "$VAR/run/postgres.pid")
	for inode in $(find "/proc/$pid/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n'); do
		! grep -hE "^ *[0-9]+: \S+ \S+ 0A .* $inode " /proc/net/tcp /proc/net/tcp6 || return 1
	done
}
check "PostgreSQL listens on no address" postgres_on_no_address
second_refused() { ! deploy/local/run >"$VAR.second" 2>&1 && grep 'runs here already' "$VAR.second"; }
check "a second start of the same folder is refused" second_refused
check "and leaves the first alone" ctl health

# --- the profile ---

head_of() { echo "{\"feed\":\"$1\"}" | ctl call "$1" Feed.Head | sed 's/.*"highWater":"\([0-9]*\)".*/\1/'; }
has_agencies() { [ "$(echo '{"limit":500}' | ctl call directory ListAgencies | grep -o '"unitCode"' | wc -l)" = 270 ]; }
check "the directory has the profile's agencies" has_agencies
head=$(head_of directory)
check "the profile can be applied again" ctl profile apply $profile
same_head() { [ "$(head_of directory)" = "$head" ]; }
check "which makes no event" same_head
cp -r $profile "$VAR.profile"
broken_refused() {
	sed -i 's/^R2-04,ALL/R9-04,ALL/' "$VAR.profile/targets.csv"
	ctl profile seal "$VAR.profile" && ! ctl profile apply "$VAR.profile" 2>"$VAR.err" &&
		grep '^targets.csv:5: there is no indicator R9-04' "$VAR.err"
}
check "a broken profile is refused whole" broken_refused
check "and changes nothing" same_head
seals_hold() { ctl feed directory --verify | grep 'nothing missing or changed'; }
check "the feed's seals hold" seals_hold
seal_broken() {
	local dsn forge='SET session_replication_role = replica; UPDATE directory.feed' # no trigger
	dsn=$(setting LGSP_ADMIN_DSN)
	psql -q "$dsn" -c "$forge SET event = event || '\\x00' WHERE pos = 7" &&
		! ctl feed directory --verify 2>"$VAR.err" && grep 'does not fit the events' "$VAR.err" &&
		psql -q "$dsn" -c "$forge SET event = substring(event FOR length(event) - 1) WHERE pos = 7" &&
		ctl feed directory --verify
}
check "a changed event is found by its seal" seal_broken

# --- lgspctl ---

appointed() {
	ctl officer appoint --subject thu-nghiem --name 'Người Thử' --agency H40.31 --post 'Chuyên viên' \
		--roles officer --from 2024-05-21 && ctl officer list --agency H40.31 | grep '^thu-nghiem '
}
check "an officer is appointed" appointed
refused() { ! echo '{"code":"0.0"}' | ctl call dossier GetProcedure 2>"$VAR.err" && grep 'NOT_FOUND code' "$VAR.err"; }
check "a refusal names machine code and field" refused
no_method() { ! echo '{}' | ctl call dossier Nothing 2>"$VAR.err" && grep -w 'GetProcedure' "$VAR.err"; }
check "an unknown method lists the known ones" no_method
bad_json() { ! echo '{"kode":1}' | ctl call dossier GetProcedure 2>"$VAR.err" && grep 'UNKNOWN_FIELD: no field is named kode' "$VAR.err"; }
check "an unknown field is refused before anything is sent" bad_json
status_lists() { ctl status | grep '^dossier  *1 '; }
check "status lists a worker" status_lists
as_member() { echo "$4" | LGSP_KEY=$1 ctl call "$2" "$3" --deadline 2000; }
new_member() {
	local key=$VAR/keys/thu.key_secret
	ctl member add thu --grant 'dossier GetProcedure' && ! ctl member add thu &&
		ctl member list | grep -A1 '^VN/GOV/H40/thu ' | grep 'grant VN/GOV/H40/thu dossier GetProcedure' || return 1
	kill -HUP "$(cat "$VAR/run/bus.pid")"
	until_true 10 as_member "$key" dossier GetProcedure '{"code":"1.001612"}' && ! as_member "$key" directory ListAgencies '{}' 2>"$VAR.err" &&
		grep DENIED "$VAR.err"
}
check "a new member may what it was granted and nothing else" new_member

# --- through nginx and the gateway ---

url=$(setting LGSP_URL)
page() { curl -fsS "$url/" | grep -i '<title>Tra cứu hồ sơ'; }
check "the public page answers" page
procedures() {
	curl -sS -o "$VAR.body" -w '%{http_code}' -H 'Content-Type: application/json' "$@" -d '{"limit":1}' \
		"$url/lgsp.dossier.v1.DossierService/ListProcedures"
}
without_token() { [ "$(procedures)" = 401 ]; }
check "a call without a token is refused" without_token
with_token() {
	[ "$(procedures -H "Authorization: Bearer $(ctl token issue --subject hl-mot-cua --ttl 60)")" = 200 ] &&
		grep '"procedures":\[{"code":"1\.' "$VAR.body"
}
check "with a token of lgspctl it is answered" with_token

# --- migrations, in a database of their own ---

mkdir "$VAR.sql"
cp -r common services "$VAR.sql/"
migrate_other() {
	LGSP_ADMIN_DSN=$(setting LGSP_ADMIN_DSN | sed 's/dbname=lgsp/dbname=other/') LGSP_SQL_ROOT=$VAR.sql \
		LGSP_DB_PASSWORD_DIR='' ctl migrate "$@"
}
files_expected() {
	local svc total=0
	for svc in services/*/sql; do
		total=$((total + $(find common/db/sql common/svc/sql "$svc" -name '[0-9]*.sql' | wc -l)))
	done
	echo $total
}
two_together() {
	migrate_other >"$VAR.a" &
	local first=$!
	migrate_other >"$VAR.b" && wait $first && [ "$(cat "$VAR.a" "$VAR.b" | grep -c ' applied$')" = "$(files_expected)" ]
}
check "of two runners at once each file is applied by one" two_together
no_such_service() { ! migrate_other nobody 2>"$VAR.err" && grep 'no service "nobody"' "$VAR.err"; }
check "a service that is none is refused" no_such_service
up_to_date() { migrate_other --status && ! migrate_other --status | grep pending; }
check "then nothing is pending" up_to_date
pending() {
	echo 'CREATE TABLE later (i int);' >"$VAR.sql/services/task/sql/9998_later.sql"
	! migrate_other --status >"$VAR.a" && grep '^task task/9998_later.sql pending' "$VAR.a"
}
check "a new file is pending" pending
half_file() {
	printf 'CREATE TABLE half (i int);\nSELECT 1/0;\n' >"$VAR.sql/services/task/sql/9999_half.sql"
	! migrate_other && ! migrate_other --status >"$VAR.a" && grep '9998_later.sql applied' "$VAR.a" &&
		grep '9999_half.sql pending' "$VAR.a" &&
		[ "$(psql -At "$(setting LGSP_ADMIN_DSN | sed 's/=lgsp /=other /')" -c "SELECT to_regclass('task.half') IS NULL")" = t ]
}
check "a file that fails half-way leaves nothing, those before it stay" half_file
changed_refused() {
	rm "$VAR.sql/services/task/sql/9999_half.sql"
	echo '-- changed' >>"$VAR.sql/services/task/sql/9998_later.sql"
	! migrate_other 2>"$VAR.err" && grep 'changed after it was applied' "$VAR.err"
}
check "a changed file is detected" changed_refused

# --- who may what in the database: a role for each schema ---

schemas=$(cd services && for s in */sql; do echo "${s%/sql}"; done)
crossings() {
	psql -At "$(setting LGSP_ADMIN_DSN)" -c "SELECT r.rolname, n.nspname FROM pg_roles r, pg_namespace n
		WHERE r.rolname LIKE '%\\_svc' AND n.nspname || '_svc' <> r.rolname AND n.nspname !~ '^pg_|^information_'
		AND has_schema_privilege(r.rolname, n.oid, 'USAGE')"
}
no_crossing() { [ -z "$(crossings)" ]; }
check "no role may use another's schema" no_crossing
control() {
	psql -q "$(setting LGSP_ADMIN_DSN)" -c 'GRANT USAGE ON SCHEMA payment TO task_svc' && [ "$(crossings)" = 'task_svc|payment' ] &&
		psql -q "$(setting LGSP_ADMIN_DSN)" -c 'REVOKE USAGE ON SCHEMA payment FROM task_svc' && no_crossing
}
check "and a wrong grant would be seen" control
# as_role ROLE SQL: SQLSTATE of the failure, empty when it succeeds.
as_role() {
	local host
	host=$(setting LGSP_ADMIN_DSN | sed 's/host=\([^ ]*\) .*/\1/')
	PGPASSWORD=$(cat "$VAR/passwords/$1") psql -q -At -v VERBOSITY=sqlstate -h "$host" -U "$1" lgsp -c "$2" 2>&1 >/dev/null |
		sed -n 's/^ERROR:  *\([0-9A-Z]\{5\}\).*/\1/p'
}
matrix() {
	local role other
	for role in $schemas; do
		[ -z "$(as_role "${role}_svc" 'SELECT 1 FROM feed LIMIT 1')" ] || return 1
		[ "$(as_role "${role}_svc" 'CREATE TABLE x (i int)')" = 42501 ] || return 1
		[ "$(as_role "${role}_svc" 'TRUNCATE feed')" = 42501 ] || return 1
		[ "$(as_role "${role}_svc" 'DELETE FROM schema_migration')" = 42501 ] || return 1
		[ "$(as_role "${role}_svc" "SET ROLE ${role}_owner")" = 42501 ] || return 1
		for other in $schemas; do
			[ "$other" = "$role" ] || [ "$(as_role "${role}_svc" "SELECT 1 FROM $other.feed")" = 42501 ] || return 1
		done
	done
}
check "each role reads its own schema and is denied in every other" matrix

# --- crashes, stop, second start ---

pid=$(cat "$VAR/run/task.pid")
kill -KILL "$pid"
restarted() { [ "$(cat "$VAR/run/task.pid")" != "$pid" ] && ctl health >/dev/null; }
check "a killed service is started again" until_true 30 restarted
mapfile_children
kill -KILL "$runner"
wait "$runner" 2>/dev/null
check "a killed runner leaves no process behind" until_true 30 none_alive "${children[@]}"
runner=
sum() { (cd "$VAR/keys" && find . -type f | sort | xargs sha256sum; cat "$VAR/clock_offset_us") | sha256sum; }
keys=$(sum)
check "it starts again" start
same_data() { [ "$(sum)" = "$keys" ] && ctl officer list --agency H40.31 | grep '^thu-nghiem '; }
check "with its keys, clock and data" same_data
mapfile_children
check "SIGTERM ends it with 0" stop
check "and with it every process" none_alive "${children[@]}"
no_sockets() { [ ! -e "$(setting LGSP_BUS_ADMIN | sed 's|ipc://||')" ] && [ ! -e "$VAR/run/run.pid" ]; }
check "no socket or pid file stays" no_sockets
quick() { SECONDS=0 && start && ((SECONDS < 15)); }
check "a later start is quick" quick
clean_shutdown() { stop && tail -n 3 "$VAR/log/postgres.log" | grep 'database system is shut down'; }
check "PostgreSQL was shut down, not killed" clean_shutdown

echo "1..$n"
