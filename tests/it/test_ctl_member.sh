#!/bin/bash
# Members come, change keys, are checked and go, while the suite runs: lgspctl member enrol, list, check,
# rotate, revoke. Each step of check is made to fail once. TAP on standard output. BIN: folder of the programs.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
export SERVICES=directory PROFILE='' CLOCK=real LGSP_HTTP_ON=0
# shellcheck source=tests/support/local.sh
. tests/support/local.sh
start_or_end

keys=$VAR/keys
# says CODE TEXT COMMAND...: ends with the code and says the text.
says() {
	local code=$1 text=$2 got=0
	ctl "${@:3}" >"$VAR.said" 2>&1 </dev/null || got=$?
	cat "$VAR.said"
	[ "$got" = "$code" ] && grep -qF -- "$text" "$VAR.said"
}
public_of() { sed -n 's/.*public-key = "\(.*\)"/\1/p' "$1"; }
# as NAME COMMAND...: with the key of that member.
as() { LGSP_KEY=$keys/$1.key_secret ctl "${@:2}"; }
asks() { echo '{"limit":1}' | as "$1" call directory ListAgencies >/dev/null 2>"$VAR.ask"; }

# --- enrol ---

check "a member is enrolled, and the broker has it at once" says 0 '1 broker: the key is in force' \
	member enrol tax --grant 'directory ListAgencies, directory Get*' --feed 'directory directory.catalogue'
check "it may call what it was granted" asks tax
check "twice is refused" says 1 'is a member already' member enrol tax
check "a name must be one" says 2 'is no name' member enrol 'Tax Office'
check "a right the broker would refuse is refused here" says 2 'bad method name' member enrol t2 --grant 'directory G*t'
check "a feed is no method" says 2 'a feed is granted by' member enrol t2 --grant 'directory Feed.Pull'
check "a key that is none is refused" says 2 'public key of 40 characters' member enrol t2 --public abc
check "a service name must be one" says 2 'bad service name' member enrol t2 --serve 'Greeting'
check "a date that is none is refused" says 2 'are dates' member enrol t2 --until tomorrow
nothing_left() { [ ! -e "$keys/members/t2.key" ] && [ ! -e "$keys/t2.key_secret" ] && ! grep 't2' "$keys/rights"; }
check "what is refused leaves nothing behind" nothing_left
own_key() {
	rm -f "$VAR.own"* && ctl keys init "$VAR.own" --services '' >/dev/null &&
		says 0 'the key is in force' member enrol outsider --public "$(public_of "$VAR.own/one-stop.key")" --grant 'directory ListAgencies' &&
		[ ! -e "$keys/outsider.key_secret" ]
}
check "an outsider keeps its secret" own_key
check "and calls with it" says 0 'ok   call' member check --key "$VAR.own/one-stop.key_secret"
expired() { says 1 'do not take the key: is today one of its days' member enrol past --until 2020-12-31 --grant 'directory ListAgencies'; }
check "a key whose days are over is not in force" expired
check "list shows days and rights" says 0 'until 2020-12-31 (not today)' member list
check "list shows rights of the member" says 0 'grant VN/GOV/H40/tax directory Get*' member list

serves() {
	says 0 'the key is in force' member enrol greeter --serve 'greeting, farewell' &&
		[ "$(grep -c '^serve VN/GOV/H40/greeter \(greeting\|farewell\)$' "$keys/rights")" = 2 ] &&
		says 0 'serve VN/GOV/H40/greeter greeting' member check greeter
}
check "a worker may serve what it was enrolled for, and check shows it" serves

# --- check ---

check "check goes through every step" says 0 'ok   call' member check tax
steps() { ctl member check tax | grep -c '^  ok '; }
six() { [ "$(steps)" = 6 ]; }
check "six of them" six
bad() { # bad STEP TEXT COMMAND...: that step fails with that advice, and none behind it is tried.
	says 1 "$2" "${@:3}" && grep -q "^  FAIL $1 " "$VAR.said" && [ "$(grep -c '^  FAIL' "$VAR.said")" = 1 ] &&
		[ "$(grep -nE '^  (ok|FAIL)' "$VAR.said" | tail -n 1 | grep -c FAIL)" = 1 ]
}
at() { LGSP_BUS_MEMBER=$1 "${@:2}"; }
check "a name nobody knows" at tcp://broker.invalid:5570 bad name 'no address has this name' member check tax
check "a port nobody listens at" at tcp://127.0.0.1:1 bad port 'nobody listens there' member check tax
check "a socket that is not there" at "ipc://$VAR/none" bad name 'is the broker running' member check tax
stranger() { bad key 'this key is none it knows today' member check --key "$VAR.own/lgsp-operator.key_secret"; }
check "a key the broker does not know" stranger
check "a key whose days are over" bad key 'within the days of its certificate' member check past
wrong_broker() { LGSP_BUS_KEY=$VAR.own/broker.key bad key 'is not the public key of this broker' member check tax; }
check "another broker's public key" wrong_broker
silent() {
	python3 -c 'import socket, sys, time
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); time.sleep(60)' >"$VAR.port" &
	local pid=$! rc=0
	until [ -s "$VAR.port" ]; do :; done
	at "tcp://127.0.0.1:$(cat "$VAR.port")" bad key 'does not answer as a broker does' member check tax || rc=1
	kill "$pid"
	return $rc
}
check "something else listens there" silent
check "a clock that is off" bad clock "set this machine's clock" member check tax --clock 0
check "nothing granted" says 0 'in force' member enrol bare
check "nothing granted is said" bad rights 'may do nothing today' member check bare
other_name() { bad rights 'the key is that of VN/GOV/H40/tax' member check bare --key "$keys/tax.key_secret"; }
check "the key of another member" other_name
away() { ctl member enrol far --grant 'payment GetOrder' >/dev/null && bad call 'the service is away' member check far; }
check "a service that is away" away
check "a member whose secret is elsewhere" says 1 'is checked where it is' member check outsider

# --- rotate ---

old=$(public_of "$keys/members/tax.key")
check "a second key is made" says 0 'the key is in force' member rotate tax
check "old and new are named" grep -qF "old key $old" "$VAR.said"
check "both are taken" asks tax
check "a third is refused" says 1 'has two keys already' member rotate tax
check "the end waits until the new one was heard" says 1 'was never heard' member rotate tax --finish
check "the new one calls" asks tax.new
check "now the old one goes" says 0 'the key is refused' member rotate tax --finish
gone() { [ "$(public_of "$keys/members/tax.key")" != "$old" ] && [ ! -e "$keys/members/tax.new.key" ] && [ ! -e "$keys/tax.new.key_secret" ]; }
check "one key is left, in the usual place" gone
check "and calls" asks tax
check "there is nothing more to finish" says 1 'is not in rotation' member rotate tax --finish
forced() { ctl member rotate far >/dev/null && says 0 'the key is refused' member rotate far --finish --force; }
check "the end can be forced" forced
check "who is no member has no keys" says 1 'is no member' member rotate nobody

# --- revoke ---

half() { ctl member rotate tax >/dev/null && says 0 'the key is refused' member revoke tax --key "$(public_of "$keys/members/tax.key")"; }
check "one of two keys is revoked" half
check "the other one stays, in its place" asks tax
revoked() { says 0 'the key is refused' member revoke tax && ! asks tax; }
check "a member is revoked" revoked
no_rights() { ! grep 'H40/tax ' "$keys/rights"; }
check "and its rights are gone" no_rights
check "twice is said" says 1 'has no key' member revoke tax
check "a key it does not have" says 1 'has no such key' member revoke far --key "$old"
stopped() { LGSP_BUS_ADMIN=ipc://$VAR/none says 0 'holds from its next start' member revoke bare; }
check "without a broker it holds from its next start" stopped

check "everything stops" stop
echo "1..$n"
