/* The pure rules of statistics: which days a period has. */
#ifndef LGSP_DOSSIER_RULES_STATISTICS_H
#define LGSP_DOSSIER_RULES_STATISTICS_H

#include "services/dossier/rules.h"

#define RULES_STATISTICS_ROWS  500  /* of a page */
#define RULES_STATISTICS_LINES 5000 /* of a sheet */

/* First and last civil day. */
struct rules_span {
	int32_t from, to;
};

/* The days asked for; adds every broken rule to err, with its field. */
void rules_statistics_span(const Dossier__StatisticsRequest *in, struct rules_span *ret_span,
			   struct err *err);

#endif
