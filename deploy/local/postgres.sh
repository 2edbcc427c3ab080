# shellcheck shell=bash
# Part of deploy/local/run: a private PostgreSQL 15 cluster in $VAR/pg, on a socket in $RUN only.

pg_bin=/usr/lib/postgresql/15/bin

# Settings that fit this machine: a quarter of the memory up to 1 GiB for shared buffers.
postgres_settings() {
	local mem_mb shared_mb
	mem_mb=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
	shared_mb=$((mem_mb / 4))
	((shared_mb < 1024)) || shared_mb=1024
	((shared_mb > 64)) || shared_mb=64
	cat <<-END
		listen_addresses = ''
		unix_socket_directories = '$RUN'
		unix_socket_permissions = 0700
		max_connections = 100
		superuser_reserved_connections = 3
		shared_buffers = ${shared_mb}MB
		effective_cache_size = $((mem_mb / 2))MB
		work_mem = 16MB
		maintenance_work_mem = 256MB
		fsync = on
		synchronous_commit = on
		full_page_writes = on
		wal_level = replica
		wal_compression = lz4
		wal_buffers = 16MB
		commit_delay = 0
		wal_sync_method = fdatasync
		checkpoint_timeout = 15min
		max_wal_size = 4GB
		min_wal_size = 512MB
		checkpoint_completion_target = 0.9
		autovacuum_naptime = 15s
		jit = off
		random_page_cost = 1.1
		idle_in_transaction_session_timeout = 30s
		log_lock_waits = on
		deadlock_timeout = 1s
		log_min_duration_statement = 500ms
		log_timezone = 'UTC'
		track_io_timing = on
		shared_preload_libraries = 'pg_stat_statements'
	END
	tr ';' '\n' <<<"$PG_SETTINGS"
}

# Made beside and renamed: an interrupted initdb leaves nothing half. The operating system's user
# (and root) is the administrator; services come with a password.
postgres_init() {
	if [ ! -d "$VAR/pg" ]; then
		rm -rf "$VAR/pg.new"
		"$pg_bin/initdb" -D "$VAR/pg.new" -k -E UTF8 --locale=C.UTF-8 -U lgsp_admin \
			--auth-local=peer >"$VAR/log/initdb.log" 2>&1 || die "initdb failed; see $VAR/log/initdb.log"
		printf '%s\n' 'local all lgsp_admin peer map=lgsp' 'local all all scram-sha-256' \
			>"$VAR/pg.new/pg_hba.conf"
		printf 'lgsp %s lgsp_admin\n' "$(id -un)" root >"$VAR/pg.new/pg_ident.conf"
		echo "include_if_exists 'lgsp.conf'" >>"$VAR/pg.new/postgresql.conf"
		mv "$VAR/pg.new" "$VAR/pg"
	fi
	postgres_settings >"$VAR/pg/lgsp.conf"
	# Left by a crash: it stops a start when its pid is somebody else's now. We hold VAR's lock.
	rm -f "$RUN/.s.PGSQL.5432.lock"
}

start_postgres() { start postgres "$pg_bin/postgres" -D "$VAR/pg"; }

postgres_wait() {
	local i
	for ((i = 0; i < READY_S * 10; i++)); do
		! "$pg_bin/pg_isready" -q -h "$RUN" -U lgsp_admin -d postgres || return 0
		alive postgres || die "PostgreSQL ended; see $VAR/log/postgres.log"
		sleep 0.1
	done
	die "PostgreSQL is not ready after $READY_S s; see $VAR/log/postgres.log"
}
