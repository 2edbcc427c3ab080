#!/bin/bash
# proto.sh [FILE...]
#
# What protobuf-c 1.4 cannot take, and what would break clients later (docs/wire.md): no proto3
# `optional` (a one-member oneof says the same), no `stream` (silently dropped), no map, no required
# or group, no nested message types, no recursive messages (no depth limit at unpacking), no name
# with a digit behind an underscore (JSON names do not round-trip), package = folder, enums start at
# an _UNSPECIFIED zero, no number or name used twice in a message.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || mapfile -t all < <(find proto -name '*.proto' | sort)
[ $# -gt 0 ] || set -- "${all[@]}"

edges=$(mktemp)
trap 'rm -f "$edges"' EXIT

# Prints violations; writes "message message" for each field of message type to the file edges.
scan() {
	awk -v edges="$edges" '
	function bad(why) {
		print FILENAME ":" FNR ": " why
		n++
	}
	# Full name of a type named in this file.
	function full(type) {
		if (type ~ /^lgsp\./)
			return type
		return type ~ /\./ ? "lgsp." type : package "." type
	}
	FNR == 1 {
		want = FILENAME
		sub(/^.*proto\/lgsp\//, "lgsp/", want)
		sub(/\/[^\/]*$/, "", want)
		gsub(/\//, ".", want)
		syntax = 0
		package = want
		depth = 0
	}
	{ sub(/\/\/.*/, "") }
	/^syntax = "proto3";/ { syntax = 1 }
	/^package / {
		package = $2
		sub(/;/, "", package)
		if (!syntax)
			bad("not proto3")
		if (package != want)
			bad("package " package " in the folder of " want)
	}
	/^[ \t]*optional[ \t]/ { bad("optional: protobuf-c refuses it; use a one-member oneof") }
	/(^|[ \t(])stream[ \t]/ { bad("stream: protobuf-c drops it silently") }
	/^[ \t]*map[ \t]*</ { bad("map: use a repeated message") }
	/^[ \t]*(required|group|extensions|extend|import public|import weak)[ \t]/ { bad("not proto3") }
	/google\/protobuf\// { bad("well-known types are not available to protobuf-c") }
	/^[ \t]*(message|enum|service|rpc)[ \t]/ || /=[ \t]*[0-9]+[ \t]*(\[.*\])?;/ {
		name = $0
		sub(/[ \t]*=.*/, "", name)
		sub(/[ \t]*[{(].*/, "", name)
		sub(/^.*[ \t]/, "", name)
		if (name ~ /_[0-9]/)
			bad("name " name ": no digit behind an underscore")
	}
	/^[ \t]+(message|enum)[ \t]/ { bad("nested type: put it beside the message") }
	/^message[ \t]/ {
		message = package "." $2
		split("", numbers)
		split("", names)
		in_message = 1
	}
	/^enum[ \t]/ {
		in_message = 0
		first = 1
	}
	/^service[ \t]/ { in_message = 0 }
	!in_message && first && /=[ \t]*-?[0-9]+[ \t]*;/ {
		first = 0
		if ($0 !~ /^[ \t]*[A-Z_]+_UNSPECIFIED = 0;/)
			bad("an enum starts with ..._UNSPECIFIED = 0")
	}
	in_message && /=[ \t]*[0-9]+[ \t]*(\[.*\])?;/ {
		type = $1 == "repeated" ? $2 : $1
		number = $0
		sub(/^[^=]*=[ \t]*/, "", number)
		number += 0
		if (number in numbers)
			bad("number " number " is used twice in " message)
		if (name in names)
			bad("name " name " is used twice in " message)
		if (name !~ /^[a-z][a-z0-9_]*$/)
			bad("field " name ": lower_snake_case")
		numbers[number] = names[name] = 1
		if (type ~ /[A-Z]/) {
			print message, full(type) > edges
			if (message == full(type))
				bad("message " message " contains itself")
		}
	}
	/^}/ { in_message = 0 }
	END { exit n > 0 }' "$@"
}

status=0
scan "$@" || status=1
# tsort names the members of a cycle.
if ! cycle=$(tsort <"$edges" 2>&1 >/dev/null); then
	echo "recursive messages:"
	echo "$cycle"
	status=1
fi
exit "$status"
