#!/bin/sh
# Command of the postgres image: makes the cluster and the database lgsp once, then serves it. The
# password of lgsp_admin comes from the file POSTGRES_PASSWORD_FILE.
set -eu
data=/var/lib/lgsp-postgres/data
if [ ! -s "$data/PG_VERSION" ]; then
	rm -rf "$data.new"
	initdb -D "$data.new" -k -E UTF8 --locale=C.UTF-8 -U lgsp_admin --auth-local=scram-sha-256 \
		--auth-host=scram-sha-256 --pwfile="$POSTGRES_PASSWORD_FILE" >/dev/null
	echo 'host all all all scram-sha-256' >>"$data.new/pg_hba.conf"
	cat >>"$data.new/postgresql.conf" <<-END
		listen_addresses = '*'
		unix_socket_directories = '/tmp'
		superuser_reserved_connections = 3
		shared_buffers = 256MB
		wal_compression = lz4
		checkpoint_timeout = 15min
		max_wal_size = 4GB
		min_wal_size = 512MB
		autovacuum_naptime = 15s
		jit = off
		random_page_cost = 1.1
		idle_in_transaction_session_timeout = 30s
		log_lock_waits = on
		log_min_duration_statement = 500ms
	END
	# The database is made by a single-user run, so that nothing listens before it is whole.
	echo 'CREATE DATABASE lgsp' | postgres --single -j -D "$data.new" template1 >/dev/null
	mv "$data.new" "$data"
fi
exec postgres -D "$data"
