#!/bin/sh
# event-registry.sh proto/lgsp/*/v1/{events,published}.proto: C code of the table event type -> payload.
# The message DossierPaymentRequested of lgsp.dossier.v1 is the payload of dossier.payment_requested;
# of a published.proto, PublishedState is the payload of dossier.published_state.
set -eu
for f in "$@"; do
	echo "#include \"${f#proto/}\"" | sed 's|\.proto"|.pb-c.h"|'
done
echo '#include "common/wire/pb_events.h"'
echo 'const struct pb_event_row pb_event_rows[] = {'
snake() { echo "$1" | sed -E 's/([A-Z])/_\L\1/g; s/^_//'; }
for f in "$@"; do
	svc=$(echo "$f" | sed -E 's|.*/lgsp/([a-z]+)/v1/.*|\1|')
	case $f in
		*/published.proto) begins=Published drop='' ;;
		*) begins=$(echo "$svc" | sed -E 's/^(.)/\U\1/') drop=$(echo "$svc" | sed -E 's/^(.)/\U\1/') ;;
	esac
	sed -nE "s/^message (${begins}[A-Z][A-Za-z0-9]*) \{.*/\1/p" "$f" | while read -r m; do
		echo "	{\"$svc.$(snake "${m#"$drop"}")\", &${svc}__$(snake "$m")__descriptor},"
	done
done
echo '	{NULL, NULL},'
echo '};'
