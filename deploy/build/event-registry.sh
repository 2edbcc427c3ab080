#!/bin/sh
# event-registry.sh proto/lgsp/*/v1/events.proto: C code of the table event type -> payload.
# The message DossierPaymentRequested of lgsp.dossier.v1 is the payload of dossier.payment_requested.
set -eu
for f in "$@"; do
	echo "#include \"${f#proto/}\"" | sed 's|\.proto"|.pb-c.h"|'
done
echo '#include "common/wire/pb_events.h"'
echo 'const struct pb_event_row pb_event_rows[] = {'
for f in "$@"; do
	svc=$(echo "$f" | sed -E 's|.*/lgsp/([a-z]+)/v1/.*|\1|')
	cap=$(echo "$svc" | sed -E 's/^(.)/\U\1/')
	sed -nE "s/^message (${cap}[A-Z][A-Za-z0-9]*) \{.*/\1/p" "$f" | while read -r m; do
		snake=$(echo "${m#"$cap"}" | sed -E 's/([A-Z])/_\L\1/g; s/^_//')
		echo "	{\"$svc.$snake\", &${svc}__$(echo "$m" | sed -E 's/([A-Z])/_\L\1/g; s/^_//')__descriptor},"
	done
done
echo '	{NULL, NULL},'
echo '};'
