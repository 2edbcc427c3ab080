#!/bin/bash
# selftest.sh: the lint scripts must find what they are for. Each case is a small tree with one fault,
# or with none.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
cases=0

# check SCRIPT good|bad NAME PATH <<< content: a tree with this one file.
check() {
	local script=$1 want=$2 name=$3 path=$4 tree=$work/tree got=good
	rm -rf "$tree"
	mkdir -p "$tree/$(dirname "$path")" "$tree/services/dossier/sql" "$tree/services/payment/sql"
	git -C "$tree" init -q
	cat >"$tree/$path"
	cases=$((cases + 1))
	if [ "$script" = proto ]; then
		"$here/proto.sh" "$tree/$path" >/dev/null 2>&1 || got=bad
	else
		"$here/$script.sh" "$tree" >/dev/null 2>&1 || got=bad
	fi
	if [ $got != "$want" ]; then
		echo "selftest: $script finds it $got: $name"
		failed=1
	fi
}

include() { check includes "$1" "$2 includes $3" "$2" <<<"#include $3"; }
include good common/base/a.c '"common/base/err.h"'
include bad common/base/a.c '"common/loop/loop.h"'
include bad common/base/a.c '"err.h"'
include bad common/base/a.h '"lgsp/dossier/v1/dossier.pb-c.h"'
include good common/wire/a.c '"lgsp/dossier/v1/dossier.pb-c.h"'
include bad common/db/a.c '"common/bus/bus.h"'
include bad common/http/a.c '"common/svc/svc.h"'
include good common/svc/a.c '"common/db/db.h"'
include bad common/svc/a.c '"services/dossier/rules.h"'
include good services/dossier/a.c '"services/dossier/rules.h"'
include bad services/dossier/a.c '"services/payment/rules.h"'
include good services/dossier/a.c '"lgsp/payment/v1/payment.pb-c.h"'
include bad services/dossier/a.c '<zmq.h>'
include bad services/gateway/a.c ' <czmq.h>'
include good services/bus/a.c '<zmq.h>'
include good services/ctl/a.c '<czmq.h>'
include bad services/ctl/a.c '<zmq.h>'
include bad services/dossier/a.c '<libpq-fe.h>'
include good common/db/a.c '<libpq-fe.h>'
include bad common/svc/a.c '"tests/support/cluster.h"'
include good tests/unit/test_a.c '"services/payment/rules.h"'
include bad common/newroom/a.c '"common/base/err.h"'

proto() {
	check proto "$1" "$2" proto/lgsp/a/v1/a.proto <<E2
syntax = "proto3";
package ${4:-lgsp.a.v1};
$3
E2
}
proto good plain 'message A {
  string name = 1; // optional when stream
  repeated B items = 2;
}
message B {
  oneof x { string required_name = 1; }
}'
proto bad optional 'message A {
  optional string name = 1;
}'
proto bad stream 'service S {
  rpc Watch(A) returns (stream A);
}'
proto bad map 'message A {
  map<string, string> m = 1;
}'
proto bad 'digit behind underscore' 'message A {
  string sha_256 = 1;
}'
proto good 'digit without underscore' 'message A {
  string sha256 = 1;
}'
proto bad 'self recursion' 'message A {
  A next = 1;
}'
proto bad 'long recursion' 'message A {
  B b = 1;
}
message B {
  repeated C c = 1;
}
message C {
  lgsp.a.v1.A a = 1;
}'
proto bad 'nested message' 'message A {
  message B { }
}'
proto bad 'enum without zero' 'enum E {
  E_ONE = 1;
}'
proto good 'enum' 'enum E {
  E_UNSPECIFIED = 0;
  E_ONE = 1;
}'
proto bad 'number twice' 'message A {
  string a = 1;
  string b = 1;
}'
proto bad 'package of another folder' 'message A {}' lgsp.b.v1

sql() { check sql "$1" "$4" "$2" <<<"$3"; }
sql good services/dossier/sql/0001_a.sql 'CREATE TABLE dossier (id bigint); -- payment.paid' 'own table'
sql bad services/dossier/sql/0001_a.sql 'SELECT 1 FROM payment.orders;' 'another schema in SQL'
sql bad common/db/sql/0001_a.sql 'SELECT 1 FROM payment.orders;' 'a schema in common SQL'
sql bad services/dossier/a.c '"SELECT id FROM payment.orders"' 'another schema in C'
sql good services/dossier/a.c 'emit("payment.paid");' 'an event in C'
sql bad services/dossier/sql/0001_a.sql 'at timestamptz DEFAULT now()' 'now() in SQL'
sql bad services/dossier/a.c '"UPDATE dossier SET at = now()"' 'now() in C'
sql good services/dossier/a.c 'x = clock_now();' 'a C function'
sql bad services/dossier/a.c '"SET LOCAL search_path TO x"' 'search_path'
sql bad services/dossier/sql/0002_b.sql 'SELECT 1;' 'a gap in the numbers of migrations'
sql bad services/dossier/main.c '.schema_version = 1,' 'an older schema in main.c'

body() {
	echo 'void f(void)'
	echo '{'
	seq 1 "$1"
	echo '}'
}
body 98 | check sizes good 'function of 100 lines' common/base/a.c
body 99 | check sizes bad 'function of 101 lines' common/base/a.c
seq 1 800 | check sizes good 'file of 800 lines' common/base/a.c
seq 1 801 | check sizes bad 'file of 801 lines' common/base/a.c

[ $failed = 0 ] && echo "lint selftest: $cases cases"
exit $failed
