#!/bin/bash
# sql.sh [FOLDER]
#
# A service's SQL names no schema: search_path is its own (docs/architecture.md). So no migration and
# no SQL text in C may say another service's schema, nor its own, nor ask SQL for the time: legal
# times come from the business clock. lgspctl migrate, which works in every schema, is the exception.
# Migrations of a folder are numbered from 1 without a gap or a double; main.c names the newest.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

mapfile -t schemas < <(find services -mindepth 2 -maxdepth 2 -name sql | cut -d/ -f2 | sort)
[ ${#schemas[@]} -gt 0 ] || exit 0
names=$(IFS='|'; echo "${schemas[*]}")

# Comments of SQL may speak of other services.
sql_lines() {
	git ls-files --cached --others --exclude-standard -- 'common/*.sql' 'services/*.sql' | sort -u |
		while read -r file; do
			[ -f "$file" ] && sed 's/--.*//' "$file" | grep -nE "$1" | sed "s|^|$file:|"
		done
}

# In C "dossier.accepted" may be an event: only a name behind a word of SQL counts.
c_lines() {
	git ls-files --cached --others --exclude-standard -- 'common/*.c' 'services/*.c' \
		':!services/ctl/*' | sort -u |
		while read -r file; do
			[ -f "$file" ] && grep -nE "$1" "$file" | sed "s|^|$file:|"
		done
}

# Of each folder of migrations what is wrong with its numbers.
numbers() {
	local folder main want names
	for folder in common/*/sql services/*/sql; do
		want=0
		names=$(find "$folder" -name '[0-9]*.sql' -printf '%f\n' 2>/dev/null | sort) || continue
		for name in $names; do
			want=$((want + 1))
			[ "$((10#${name%%_*}))" -eq "$want" ] || { echo "$folder/$name: not $want" && break; }
		done
		main=${folder%/sql}/main.c
		[ ! -f "$main" ] || grep -q "schema_version = $want," "$main" || echo "$main: schema_version"
	done
}

status=0
say() {
	[ -n "$2" ] || return 0
	printf '%s\n' "$2" | sed "s/$/    <- $1/"
	status=1
}

say 'names a schema' "$(sql_lines "(^|[^A-Za-z0-9_.])($names)\.[a-z_]+" || true)"
say 'names a schema' "$(c_lines "(FROM|JOIN|INTO|UPDATE|TABLE|REFERENCES|from|join|into|update) +($names)\.[a-z_]+" || true)"
say 'asks SQL for the time' "$(sql_lines '(^|[^a-z_])(now\(\)|current_timestamp|CURRENT_TIMESTAMP|current_date|CURRENT_DATE)' || true)"
say 'asks SQL for the time' "$(c_lines '".*[^a-z_](now\(\)|current_timestamp|CURRENT_TIMESTAMP|current_date|CURRENT_DATE)' || true)"
say 'sets search_path' "$(c_lines '[Ss][Ee][Tt] +(LOCAL +|local +)?search_path' | grep -v '^common/db/' || true)"
say 'numbers of migrations' "$(numbers)"
exit "$status"
