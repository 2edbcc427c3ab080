# shellcheck shell=bash
# Part of deploy/local/run: from root to the unprivileged user lgsp, who can read neither /root nor
# a folder of another user. So the programs and files that run are copied to a place it can reach.

as_user=lgsp
as_user_home=/var/lib/lgsp

as_user_can() { setpriv --reuid="$as_user" --regid="$as_user" --init-groups -- "$@" 2>/dev/null; }

# A folder lgsp can write to for VAR: VAR itself when it can be reached, else one below its home that
# VAR becomes a link to.
as_user_var() {
	local var=$1 area
	if [ ! -e "$var" ] && [ ! -L "$var" ]; then
		mkdir -p "$(dirname "$var")"
		mkdir -m 0700 "$var"
		chown "$as_user:" "$var"
		as_user_can test -w "$var/." -a -x "$var/." && { printf '%s\n' "$var"; return; }
		rmdir "$var"
		area=$as_user_home/$(printf '%s' "$var" | sha256sum | cut -c1-10)
		install -d -m 0700 -o "$as_user" -g "$as_user" "$area"
		ln -s "$area" "$var"
	fi
	if [ -z "$(ls -A "$var")" ]; then chown "$as_user:" "$(realpath "$var")"; fi
	as_user_can test -O "$(realpath "$var")" -a -w "$(realpath "$var")" ||
		die "$var: belongs to $(stat -L -c %U "$var"); run as that user, or choose another VAR"
	realpath "$var"
}

# What runs, below $1: programs, migrations, profile, web pages, this runner.
as_user_copy() {
	local root=$1 tree=$2 file
	rm -rf "$tree"
	install -d -m 0755 -o "$as_user" -g "$as_user" "$tree"
	(
		cd "$root" || exit
		find common services -path '*/sql/*.sql' -o -path 'services/gateway/web/*' -type f
		find deploy -type f
	) | while read -r file; do
		mkdir -p "$tree/$(dirname "$file")"
		cp "$root/$file" "$tree/$file"
	done
	mkdir -p "$tree/bin"
	cp "$BIN"/lgsp* "$tree/bin/"
	chown -R "$as_user:" "$tree"
	chmod -R go-w,a+rX "$tree"
}

as_user_exec() {
	local root=$1 var profile=
	getent passwd "$as_user" >/dev/null ||
		useradd --system --user-group --home-dir "$as_user_home" --shell /usr/sbin/nologin "$as_user"
	install -d -m 0755 -o root -g root "$as_user_home"
	var=$(as_user_var "$(realpath -s -m "$VAR")")
	say "not as root: the user $as_user runs the suite, in $var"
	BIN=$(cd "$BIN" 2>/dev/null && pwd -P) || die "no programs: run make first"
	# Nothing below a running suite is replaced. The lock passes to the process that follows.
	install -d -m 0700 -o "$as_user" -g "$as_user" "$var/run"
	exec 9>>"$var/run/lock"
	chown "$as_user:" "$var/run/lock"
	flock -n 9 || die "the suite runs here already (pid $(cat "$var/run/run.pid" 2>/dev/null || echo unknown))"
	as_user_copy "$root" "$var/tree.$$"
	rm -rf "$var/tree"
	mv "$var/tree.$$" "$var/tree"
	if [ -n "$PROFILE" ]; then
		profile=$var/profile
		rm -rf "$profile"
		cp -r "$PROFILE" "$profile"
		chown -R "$as_user:" "$profile"
	fi
	cd "$var/tree" || exit
	exec setpriv --reuid="$as_user" --regid="$as_user" --init-groups --no-new-privs \
		--inh-caps=-all -- env HOME="$as_user_home" VAR="$var" BIN="$var/tree/bin" \
		PROFILE="$profile" CLOCK="$CLOCK" DEMO="$DEMO" SERVICES="$SERVICES" LGSP_PORT="$LGSP_PORT" \
		LGSP_BUS_PORT="$LGSP_BUS_PORT" LGSP_HTTP_ON="$LGSP_HTTP_ON" PG_SETTINGS="$PG_SETTINGS" \
		READY_S="$READY_S" RECORDS_MAX_S="${RECORDS_MAX_S:-60}" "$var/tree/deploy/local/run"
}
