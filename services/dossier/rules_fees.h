/*
 * The pure rules of fees: what a dossier owes item by item, when each is to be paid, what may be
 * asked for, what the applicant is freed from. As rules.h: no clock, no database, no bus.
 *
 * A fee before the processing holds up every act that moves the processing on; one during it the
 * result; one after it the hand-over. A fee whose procedure names no items has no timing: it is
 * asked for while the dossier is worked on, when the officer likes, and holds up nothing. What is
 * due with the result is not due with a negative one.
 */
#ifndef LGSP_DOSSIER_RULES_FEES_H
#define LGSP_DOSSIER_RULES_FEES_H

#include "lgsp/dossier/v1/fees.pb-c.h"
#include "services/dossier/rules.h"

#define RULES_EVIDENCE_MAX 200

/* Sets of timings: bits of enum FeeTiming. */
#define RULES_FEES(timing)   (1u << DOSSIER__FEE_TIMING__FEE_TIMING_##timing)
#define RULES_FEES_BEFORE    RULES_FEES(BEFORE)
#define RULES_FEES_AT_RESULT RULES_FEES(AFTER)
/* What may be asked for while the dossier is worked on. */
#define RULES_FEES_AT_WORK (RULES_FEES(BEFORE) | RULES_FEES(DURING) | RULES_FEES(UNSPECIFIED))
#define RULES_FEES_TIMED   (RULES_FEES(BEFORE) | RULES_FEES(DURING) | RULES_FEES(AFTER))
#define RULES_FEES_ALL     (RULES_FEES_TIMED | RULES_FEES(UNSPECIFIED))

struct rules_fee {
	const char *item; /* "": of a procedure that names none */
	const char *name;
	Dossier__FeeTiming timing;
	int64_t unit_vnd;
	bool counted; /* due per quantity */
	Dossier__FeeState state;
	int32_t quantity;
	int64_t amount_vnd, exempt_vnd;
	int32_t request; /* that asked for it last */
	bool changed;    /* by the functions below */
};

struct rules_fees {
	struct rules_fee
		list[2 * RULES_FEES_MAX]; /* the procedure's; paid ones of an older version */
	size_t n;
};

/* What a procedure asks of a filing through a channel, before anything was asked for. */
void rules_fees_of(const Dossier__Procedure *p, Dossier__Channel channel, struct rules_fees *ret);
/*
 * What is known of an item: its row. One without an item, of a procedure that has some, is from
 * before there were items and stands for all of them.
 */
void rules_fees_know(struct rules_fees *fees, const struct rules_fee *row);

/* Timings that must be settled before an act; negative: the result is, or is to be. */
unsigned rules_fees_before(enum rules_action action, bool negative);
/* The first fee of these timings that is to be paid and is not; NULL when all are settled. */
const struct rules_fee *rules_fees_open(const struct rules_fees *fees, unsigned timings);

/*
 * Asks for what is due of these timings, for a quantity of 1..RULES_QUANTITY_MAX; 0: 1. The sum,
 * 0 when nothing is left to ask for; ERR_INVALID at "quantity".
 */
int64_t rules_fees_ask(struct rules_fees *fees, unsigned timings, uint32_t quantity,
		       struct err *err);
/* Why nothing of these timings could be asked for: sets NO_FEE, FEE_EXEMPT, FEE_ASKED, FEE_LATER,
 * FEE_TOO_LATE or FEE_PAID. */
int rules_fees_refuse(const struct rules_fees *fees, unsigned timings, const char *procedure,
		      struct err *err);
/*
 * What the applicant is freed from, all of the request or nothing; adds all errors: UNKNOWN_FEE,
 * DUPLICATE_FEE, FEE_PAID, FEE_EXEMPT, or a field. ret_vnd has room for one amount per exemption.
 */
void rules_fees_exempt(struct rules_fees *fees, const Dossier__ExemptFeeRequest *in,
		       int64_t *ret_vnd, struct err *err);
/*
 * An amount has come. What was asked for is paid, or else what an order ran out for. Returns what
 * is beyond it, because the applicant was freed from it meanwhile; a negative number, and nothing
 * changes, when the amount is explained by neither.
 */
int64_t rules_fees_pay(struct rules_fees *fees, int64_t amount_vnd);
/* The order for what is asked for ran out. */
void rules_fees_expire(struct rules_fees *fees);

const struct rules_fee *rules_fees_item(const struct rules_fees *fees, const char *item);
/* Sum of what is to be paid of the fees in a state. */
int64_t rules_fees_sum(const struct rules_fees *fees, Dossier__FeeState state);
/* Asked for and not exempt: paid or not. */
int64_t rules_fees_asked_vnd(const struct rules_fees *fees);
Dossier__FinanceState rules_fees_state(const struct rules_fees *fees);

#endif
