/*
 * The opening import: dossiers of an older system. rules_legacy.c says what may be taken, legacy.c
 * answers, legacy_rows.c writes.
 */
#ifndef LGSP_DOSSIER_LEGACY_H
#define LGSP_DOSSIER_LEGACY_H

#include "lgsp/dossier/v1/legacy.pb-c.h"
#include "services/dossier/dossier.h"
#include "services/dossier/rules_deadline.h"

#define LEGACY_CHUNK_MAX   100
#define LEGACY_CHUNKS_MAX  10000
#define LEGACY_HISTORY_MAX 200

/* What the database knows of one dossier that is to come. */
struct rules_legacy {
	bool exists; /* a dossier has its code */
	bool receiving_known, competent_known;
	bool holder_in_force;      /* today */
	int32_t procedure_version; /* on the day of filing; 0: there is none */
	struct rules_limit limit;
	const char *fee_kind;
	uint32_t online_level;
	bool guarded;
};

/* Adds every fault, with its field. */
void rules_check_legacy(const Dossier__LegacyDossier *d, const struct rules_legacy *known,
			int64_t now_us, struct err *err);
/* As promised, or counted from what was used up; 0 without a limit. */
int64_t rules_legacy_due(const Dossier__LegacyDossier *d, struct rules_limit limit,
			 const struct rules_office *office, int64_t now_us);
bool rules_legacy_open(Dossier__DossierState state);

/* Parts of a code: length of its agency, day and ordinal; ERR_INVALID when it is none. */
int rules_split_code(const char *code, size_t *ret_agency, int32_t *ret_day, int64_t *ret_ordinal);

/* One dossier on its way in. */
struct legacy_row {
	const Dossier__LegacyDossier *in;
	struct rules_legacy known;
	int64_t due_us;
	int32_t calendar_version;
	int64_t directory_pos;
};

/* Queues rows, history and events of one. 0, or ERR_TOO_LARGE in c->err. */
int legacy_add(struct call *c, const Dossier__ImportLegacyRequest *in,
	       const struct legacy_row *row);
/* What the older system says happened, when the history begins with an import. 0 or the error. */
int legacy_fill_history(struct call *c, Dossier__GetReply *out);
/* Queues the counters behind these codes, so that no new filing gets one of them. */
int legacy_raise_counters(struct call *c, const Dossier__ImportLegacyRequest *in);

#endif
