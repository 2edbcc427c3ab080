#!/bin/sh
# secrets.sh DIR SERVICE...: keys and passwords of a deployment, made once, never overwritten; every
# file is readable by the suite's user alone. Runs as root in the runtime image (make secrets).
set -eu
dir=$1
shift
umask 077
mkdir -p "$dir/passwords" "$dir/adapters"
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
make_file() { [ -e "$1" ] || random >"$1"; }

lgspctl keys init "$dir/keys" --services "gateway $*" --rights /usr/share/lgsp/deploy/rights
# Beside the members, so that one folder is shown to the broker and the gateway, and changes in it.
[ -L "$dir/keys/rights" ] || { mv "$dir/keys/rights" "$dir/keys/members/rights" && ln -s members/rights "$dir/keys/rights"; }
make_file "$dir/passwords/admin"
[ -e "$dir/pgpass" ] || echo "*:*:*:lgsp_admin:$(cat "$dir/passwords/admin")" >"$dir/pgpass"
for name in "$@"; do make_file "$dir/passwords/${name}_svc"; done
make_file "$dir/adapters/vnpay.key"
chown -R 10001:10001 "$dir"
find "$dir" -type f -exec chmod 0400 {} +
find "$dir" -type d -exec chmod 0500 {} +
# Public parts, which the host's operator reads too.
chmod 0755 "$dir" "$dir/keys" "$dir/keys/members"
chmod 0444 "$dir"/keys/*.key "$dir"/keys/members/* "$dir/keys/rights" "$dir/keys/jwks.json"
chmod 0400 "$dir/keys/owner.key"
