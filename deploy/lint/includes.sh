#!/bin/bash
# includes.sh [FOLDER]
#
# Dependencies point down only: base <- loop <- wire <- {http, bus, db, record} <- {svc, rights} <- services/*.
# Reads every committed .c and .h below FOLDER (default: the tree) and names the includes that break
# this. A service sees common/** and generated headers, never another service's; libzmq stays in
# common/bus and services/bus, libpq in common/db and services/ctl; paths are written from the root.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

# Only committed or new files; build/ is ignored by git. The examples are outsiders' programs.
list() { git ls-files --cached --others --exclude-standard -- '*.c' '*.h' ':!docs/examples' | sort -u; }

# file:line:header of every include, with <> and "" kept.
includes() {
	list | while read -r file; do
		[ -f "$file" ] && awk -v file="$file" '
			match($0, /^[ \t]*#[ \t]*include[ \t]*[<"][^>"]*[>"]/) {
				line = $0
				sub(/^[ \t]*#[ \t]*include[ \t]*/, "", line)
				match(line, /[<"][^>"]*[>"]/)
				print file "\t" NR "\t" substr(line, RSTART, RLENGTH)
			}' "$file"
	done
}

includes | awk -F '\t' '
	function room(path, part) {
		split(path, part, "/")
		return part[1] "/" part[2]
	}
	function bad(why) {
		print $1 ":" $2 ": " $3 ": " why
		n++
	}
	BEGIN {
		base = "common/base"
		sees[base] = base
		sees["common/loop"] = "common/loop " base
		sees["common/wire"] = "common/wire " sees["common/loop"]
		sees["common/record"] = "common/record " sees["common/wire"]
		sees["common/http"] = "common/http " sees["common/wire"]
		sees["common/bus"] = "common/bus " sees["common/wire"]
		sees["common/rights"] = "common/rights " sees["common/bus"]
		sees["common/db"] = "common/db " sees["common/wire"]
		sees["common/svc"] = "common/svc common/http common/bus " sees["common/db"]
	}
	{
		from = room($1)
		to = substr($3, 2, length($3) - 2)
		into = room(to)
		quoted = substr($3, 1, 1) == "\""
		test = $1 ~ /^tests\//
	}
	(to == "zmq.h" || to == "czmq.h") && !test && from != "common/bus" && from != "services/bus" &&
		!(to == "czmq.h" && from == "services/ctl") {
		bad("ZeroMQ belongs to common/bus and services/bus")
	}
	to == "libpq-fe.h" && !test && from != "common/db" && from != "services/ctl" {
		bad("libpq belongs to common/db and services/ctl")
	}
	!quoted { next }
	to !~ /^(common|services|lgsp|tests)\// {
		bad("write the path from the root of the tree")
		next
	}
	test { next }
	into ~ /^tests\// || to ~ /^tests\// {
		bad("only tests include tests")
		next
	}
	to ~ /^lgsp\// {
		if (from == base || from == "common/loop" || from == "common/http")
			bad("generated messages begin at common/wire")
		next
	}
	from ~ /^services\// {
		if (into ~ /^services\// && into != from)
			bad("another service is reached over the bus or its feed")
		next
	}
	from ~ /^common\// {
		if (!(from in sees))
			bad("unknown room " from ": say in deploy/lint/includes.sh what it may see")
		else if ((" " sees[from] " ") !~ (" " into " "))
			bad(from " lies below " into)
	}
	END {
		if (n > 0)
			exit 1
	}'
