#!/bin/bash
# lgspctl without a running suite: keys, rights, members, tokens, usage. TAP on standard output. BIN:
# folder of the programs.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
BIN=$(cd "${BIN:-build/release/bin}" && pwd) || exit 1
dir=$(mktemp -d /tmp/lgsp-ctl-XXXXXX)
trap 'rm -rf "$dir"' EXIT
keys=$dir/keys
unset "${!LGSP_@}"
export LGSP_ENV_FILE=/dev/null
n=0

# check NAME COMMAND...
check() {
	n=$((n + 1))
	if "${@:2}" >"$dir/out" 2>&1; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		tail -n 20 "$dir/out" | sed 's/^/# /'
	fi
}
ctl() { "$BIN/lgspctl" "$@"; }
# exits CODE TEXT ARGS...: lgspctl ends with the code and says the text.
exits() {
	local code=$1 text=$2 got=0
	"$BIN/lgspctl" "${@:3}" >"$dir/said" 2>&1 </dev/null || got=$?
	cat "$dir/said"
	[ "$got" = "$code" ] && grep -qF -- "$text" "$dir/said"
}
sums() { (cd "$keys" && find . -type f | sort | xargs sha256sum) | sha256sum; }

# --- usage ---

check "no command is a usage error" exits 2 'usage: lgspctl'
check "help lists the commands" exits 0 'feed SERVICE' help
check "an unknown command is a usage error" exits 2 'no command "fly"' fly
check "one of a group is shown the group" exits 2 'member revoke NAME' member fly
check "a wrong word is said with its group" exits 2 'no command "member fly"' member fly
check "help of one command" exits 0 'member revoke NAME' help member revoke
check "--help of one command" exits 0 'member revoke NAME' member revoke x --help
only_that() { [ "$("$BIN/lgspctl" call --help | wc -l)" = 2 ]; }
check "and of no other" only_that
check "help of what is no command" exits 2 'no command "fly"' help fly
check "an unknown option is a usage error" exits 2 'unknown option --nothing' feed dossier --nothing
check "and shows how it is called" exits 2 'feed SERVICE [--feed NAME]' feed dossier --nothing
check "an option without its value is a usage error" exits 2 '--after needs a value' feed dossier --after
check "a number out of range is a usage error" exits 2 'is not a whole number' feed dossier --limit 0
check "a missing setting is named" exits 3 'LGSP_BUS_MEMBER is not set' feed dossier
bad_settings() { printf 'LGSP_A=1\nPATH=/tmp\n' >"$dir/env" && LGSP_ENV_FILE=$dir/env exits 3 'env:2: not LGSP_NAME=VALUE' status; }
check "a settings file sets nothing but LGSP_ names" bad_settings

# --- keys ---

open_mask() { (umask 000 && ctl keys init "$keys" --services 'dossier payment'); }
check "keys are made" open_mask
closed() {
	[ "$(stat -c %a "$keys")" = 700 ] &&
		[ -z "$(find "$keys" \( -name '*_secret' -o -name owner.key -o -name token.pem \) ! -perm 600)" ] &&
		[ "$(find "$keys" -name '*_secret' | wc -l)" = 5 ] && [ -z "$(find "$keys" -type f -perm /022)" ]
}
check "secrets are closed whatever the umask" closed
owner_bytes() { [ "$(stat -c %s "$keys/owner.key")" = 32 ]; }
check "the owner key has 32 bytes" owner_bytes
members_public() { ! grep -rl secret-key "$keys/members" && grep -q 'member = "VN/GOV/H40/lgsp-dossier"' "$keys/members/lgsp-dossier.key"; }
check "the broker's folder of members holds no secret" members_public
before=$(sums)
again() { ctl keys init "$keys" --services 'dossier payment' && [ "$(sums)" = "$before" ]; }
check "making them again changes nothing" again
rights_closed() {
	grep -q '^serve VN/GOV/H40/lgsp-dossier dossier$' "$keys/rights" && ! grep -q 'kpi' "$keys/rights" &&
		! grep -E '^(grant|serve) [@%]' "$keys/rights" && ! grep 'acts_for' "$keys/rights" | grep -vE '^#|lgsp-operator'
}
check "rights name members in full, and only those made" rights_closed
later() {
	local line
	line=$(grep -c . "$keys/rights")
	ctl keys init "$keys" --services 'dossier payment kpi' && grep -q '^feed VN/GOV/H40/lgsp-kpi dossier dossier$' "$keys/rights" &&
		[ "$(grep -c 'lgsp-dossier dossier$' "$keys/rights")" = 1 ] && [ "$(grep -c . "$keys/rights")" -gt "$line" ]
}
check "a service added later gets its key and its rights" later
interrupted() {
	rm "$keys/lgsp-kpi.key_secret" "$keys/members/lgsp-kpi.key"
	ctl keys init "$keys" --services 'dossier payment kpi' && [ -e "$keys/members/lgsp-kpi.key" ] &&
		grep -qF "$(sed -n 's/.*public-key = //p' "$keys/members/lgsp-kpi.key")" "$keys/lgsp-kpi.key_secret"
}
check "an interrupted run is completed" interrupted
# What a newer template says of a member that exists is said, not done: somebody may have taken it away.
newer_template() {
	local init=(keys init "$keys" --services 'dossier payment kpi' --rights "$dir/template")
	{ cat deploy/rights && echo 'grant @kpi dossier Statistics'; } >"$dir/template"
	cp "$keys/rights" "$dir/rights.now"
	exits 0 'the rights lack "grant VN/GOV/H40/lgsp-kpi dossier Statistics"' "${init[@]}" && [ "$(grep -c 'rights lack' "$dir/said")" = 1 ] &&
		cmp "$keys/rights" "$dir/rights.now" && ctl "${init[@]}" --add-rights &&
		[ "$(diff "$dir/rights.now" "$keys/rights" | grep '^[<>]')" = '> grant VN/GOV/H40/lgsp-kpi dossier Statistics' ] &&
		exits 0 '' "${init[@]}" && ! grep 'rights lack' "$dir/said" && mv "$dir/rights.now" "$keys/rights"
}
check "new lines of the template are said, and written when asked" newer_template
national() {
	ctl keys init "$dir/np" --services dossier --members 'one-stop national-portal' &&
		grep -qx 'grant VN/GOV/H40/national-portal dossier SubmitFromPortal' "$dir/np/rights" && [ -e "$dir/np/members/national-portal.key" ] &&
		! grep 'national-portal' "$keys/rights"
}
check "the national portal's connector gets its rights when it is made" national
# Feeds had no rules of their own once; such a file is brought up to date, other lines stay.
old_rights() {
	cp "$keys/rights" "$dir/rights.now" && sed -n '/^#/p; /^serve/p' "$dir/rights.now" >"$keys/rights" &&
		printf 'grant VN/GOV/H40/lgsp-kpi dossier Feed.Pull\ngrant VN/GOV/H40/lgsp-operator * * acts_for\n' >>"$keys/rights" &&
		ctl keys init "$keys" --services 'dossier payment kpi' && grep -q '^feed VN/GOV/H40/lgsp-kpi dossier dossier$' "$keys/rights" &&
		grep -q '^feed VN/GOV/H40/lgsp-operator \* \* acts_for$' "$keys/rights" && ! grep -q 'Feed.Pull' "$keys/rights" &&
		grep -q '^serve VN/GOV/H40/lgsp-dossier dossier$' "$keys/rights" && mv "$dir/rights.now" "$keys/rights"
}
check "rights of before feeds had rules are brought up to date" old_rights
# A rights file that is a link stays one: containers show its folder.
linked_rights() {
	cp "$keys/rights" "$dir/rights.now" && mv "$keys/rights" "$keys/members/rights" && ln -s members/rights "$keys/rights" &&
		LGSP_KEYS_DIR=$keys LGSP_MEMBERS_DIR=$keys/members LGSP_RIGHTS=$keys/rights ctl member enrol linked --grant 'payment GetOrder' &&
		[ -L "$keys/rights" ] && grep -q 'H40/linked payment' "$keys/members/rights" &&
		LGSP_KEYS_DIR=$keys LGSP_MEMBERS_DIR=$keys/members LGSP_RIGHTS=$keys/rights ctl member revoke linked &&
		[ -L "$keys/rights" ] && ! grep 'H40/linked' "$keys/members/rights" && rm "$keys/members/rights" "$keys/rights" && mv "$dir/rights.now" "$keys/rights"
}
check "a rights file that is a link stays one" linked_rights
half_token() { mv "$keys/jwks.json" "$dir/jwks.json" && exits 1 'do not belong together' keys init "$keys"; mv "$dir/jwks.json" "$keys/jwks.json"; }
check "half a token key is not replaced" half_token
check "a bad service name is refused" exits 1 'is no name' keys init "$dir/other" --services '../x'
province() { ctl keys init "$dir/hn" --services task --prefix VN/GOV/H26 && grep -q '^serve VN/GOV/H26/lgsp-task task$' "$dir/hn/rights"; }
check "another province is another prefix" province

# --- members ---

export LGSP_KEYS_DIR=$keys LGSP_MEMBERS_DIR=$keys/members LGSP_RIGHTS=$keys/rights
added() { ctl member add kho-bac --grant 'payment GetOrder, payment List*' --feed 'payment payment' && grep -q '^feed VN/GOV/H40/kho-bac payment payment$' "$keys/rights"; }
check "a member is added with its rights" added
check "a member is not added twice" exits 1 'is a member already' member add kho-bac
check "a bad right is refused" exits 2 'is not SERVICE METHOD' member add thue --grant 'payment'
check "a feed is no method" exits 2 'a feed is granted by "feed VN/GOV/H40/thue payment FEED"' member add thue --grant 'payment Feed.Pull'
check "what is refused leaves no key behind" test ! -e "$keys/members/thue.key"
listed() { ctl member list | grep -A2 '^VN/GOV/H40/kho-bac ' | grep -q 'grant VN/GOV/H40/kho-bac payment GetOrder'; }
check "members are listed with their rights" listed

# --- tokens ---

check "a token needs its key" exits 3 'LGSP_TOKEN_KEY is not set' token issue --subject a --ttl 60
export LGSP_TOKEN_KEY=$keys/token.pem
token_parts() { ctl token issue --subject hl-mot-cua --ttl 60 | grep -qE '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$'; }
check "a token is signed" token_parts
payload() { local b; b=$(ctl token issue "$@" | cut -d. -f2 | tr '_-' '/+') && printf '%s%.*s' "$b" $(((4 - ${#b} % 4) % 4)) === | base64 -d; }
of_member() { payload --subject a --ttl 60 --member one-stop | grep -F '"member":"VN/GOV/H40/one-stop"'; }
check "a member's token has its whole address" of_member
check "a token lives for a while at most" exits 2 'is not a whole number' token issue --subject a --ttl 999999999

# --- the audit line of what changes something ---

export LGSP_AUDIT_LOG=$dir/audit
# audited TEXT...: the last line says each of them.
audited() { for text; do tail -n 1 "$dir/audit" | grep -qF -- "$text" || return 1; done; }
lines() { wc -l <"$dir/audit"; }
act_done() {
	ctl member enrol so-y-te --grant 'dossier Submit' && [ "$(lines)" = 1 ] && [ "$(stat -c %a "$dir/audit")" = 600 ] &&
		audited event=ctl.audit "uid=$(id -u)" "user=$(id -un)" 'act="member enrol"' 'words="so-y-te --grant dossier Submit"' outcome=done exit=0
}
check "what an operator changes leaves a line: who, what, how it ended" act_done
act_failed() { exits 1 'is a member already' member enrol so-y-te && [ "$(lines)" = 2 ] && audited 'act="member enrol"' outcome=failed exit=1; }
check "what was refused, too" act_failed
by_sudo() { SUDO_USER=lan ctl member revoke so-y-te && [ "$(lines)" = 3 ] && audited 'act="member revoke"' words=so-y-te sudo_user=lan outcome=done; }
check "and who stands behind sudo" by_sudo
looks() {
	ctl member list && exits 4 '' call dossier Get </dev/null
	ctl migrate --status
	exits 2 '' quota one-stop plenty
	[ "$(lines)" = 4 ] && audited act=quota exit=2
}
check "looking leaves none" looks
no_persons() {
	exits 3 '' officer appoint --subject 036190000017 --agency H40.31 --roles clerk --name 'Trần Thị Lan' && audited 'act="officer appoint"' '--subject # ' '--name=#' exit=3
	! grep -E '036190000017|Lan' "$dir/audit"
}
check "no identity number and no name of a person" no_persons
not_begun() {
	cp "$keys/rights" "$dir/rights.now" && mkdir -p "$dir/folder"
	LGSP_AUDIT_LOG=$dir/folder exits 3 'nothing was done' member enrol so-tu-phap --grant 'dossier Submit' && cmp "$keys/rights" "$dir/rights.now" &&
		[ ! -e "$keys/members/so-tu-phap.key" ]
}
check "what could not be audited is not begun" not_begun
to_stderr() { LGSP_AUDIT_LOG='' exits 0 'event=ctl.audit' member enrol so-tu-phap && [ "$(lines)" = 5 ]; }
check "without a file the line goes to standard error" to_stderr

echo "1..$n"
