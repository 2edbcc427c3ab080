/*
 * The payment service's rooms: handlers (catalogue.c, orders.c, callback.c), what happens when an
 * order is paid (settle.c), pure rules (rules.c, vietqr.c, adapter*.c).
 */
#ifndef LGSP_PAYMENT_PAYMENT_H
#define LGSP_PAYMENT_PAYMENT_H

#include "common/svc/svc.h"
#include "lgsp/payment/v1/payment.pb-c.h"
#include "services/payment/adapter.h"

/* Knobs, from the environment. */
struct payment_config {
	int64_t order_ttl_hours;
	const char
		*adapter_keys; /* folder with one key file per adapter, <name>.key; "" for none */
};
extern struct payment_config payment_config;

/* --- rules.c: pure --- */

#define PAYMENT_REFERENCE_MAX 26 /* 25 ASCII characters and NUL */

/*
 * What the payer quotes: the letters and digits of the dossier code and two digits of the order's
 * ordinal in that dossier. 0, or ERR_INVALID when it would be longer than 25 or the ordinal > 99.
 */
int rules_reference(const char *dossier_code, int ordinal, char out[static PAYMENT_REFERENCE_MAX]);

/* An order of an agency may be collected by an officer of that agency only. */
int rules_check_collect(const char *order_agency, int state, int64_t order_vnd,
			const char *officer_agency, int64_t paid_vnd, struct err *err);

/* --- settle.c --- */

/* An order's row, locked. */
struct order_row {
	uint8_t id[16];
	char id_text[37];
	const char *dossier_code;
	const char *procedure_code;
	const char *agency_code;
	const char *fee_kind;
	int64_t amount_vnd;
	int state;
	int version;
	int64_t expires_us;
};

/*
 * Locks the order in the call's open transaction and reads it. >0 found, 0 none, <0 error. The
 * statement, by id or by reference, gives the columns of struct order_row in order.
 */
int order_lock_by_id(struct call *c, const uint8_t id[static 16], struct order_row *ret_order);
int order_lock_by_reference(struct call *c, const char *reference, struct order_row *ret_order);

/*
 * Marks a locked, open order paid: state, receipt number, ledger, event. account names the ledger
 * account the money is in ("cash", "provider:vnpay"). The receipt number lives in the arena.
 */
int settle_order(struct call *c, const struct order_row *order, Payment__PayMethod method,
		 const char *account, const char **ret_receipt_number);

/*
 * Money for an order that no longer expects it lies in suspense, with an event, until a person
 * decides.
 */
int settle_suspense(struct call *c, const struct order_row *order, const char *adapter,
		    const struct adapter_fact *fact, const char *reason);

/* --- consumers and jobs --- */

int payment_apply_dossier(struct call *c, const struct svc_event *ev);
int payment_expire_orders(struct call *c);

/* --- handlers --- */

void payment_import_profile(Payment__PaymentService_Service *svc,
			    const Payment__ImportProfileRequest *in,
			    Payment__ImportProfileReply_Closure reply, void *data);
void payment_get_order(Payment__PaymentService_Service *svc, const Payment__GetOrderRequest *in,
		       Payment__GetOrderReply_Closure reply, void *data);
void payment_list_orders(Payment__PaymentService_Service *svc, const Payment__ListOrdersRequest *in,
			 Payment__ListOrdersReply_Closure reply, void *data);
void payment_record_counter_payment(Payment__PaymentService_Service *svc,
				    const Payment__RecordCounterPaymentRequest *in,
				    Payment__RecordCounterPaymentReply_Closure reply, void *data);
void payment_receive_callback(Payment__PaymentService_Service *svc,
			      const Payment__ReceiveCallbackRequest *in,
			      Payment__ReceiveCallbackReply_Closure reply, void *data);
void payment_trial_balance(Payment__PaymentService_Service *svc,
			   const Payment__TrialBalanceRequest *in,
			   Payment__TrialBalanceReply_Closure reply, void *data);

#endif
