#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "services/payment/payment.h"

static const struct err_kind not_your_order = {ERR_DENIED, "NOT_YOUR_AGENCY",
					       "Khoản thu thuộc cơ quan %s",
					       "the order belongs to agency %s"};
static const struct err_kind order_not_open = {ERR_CONFLICT, "ORDER_NOT_OPEN",
					       "Khoản thu không còn ở trạng thái chờ thanh toán",
					       "the order is not open"};
static const struct err_kind amount_differs = {ERR_INVALID, "AMOUNT_DIFFERS",
					       "Số tiền không bằng số tiền của khoản thu",
					       "the amount differs from the order's"};

int rules_reference(const char *dossier_code, int ordinal, char out[static PAYMENT_REFERENCE_MAX])
{
	size_t n = 0;

	if (ordinal < 1 || ordinal > 99)
		return ERR_INVALID;
	for (const char *s = dossier_code; *s; s++) {
		if (!isalnum((unsigned char)*s))
			continue;
		if (n + 2 >= PAYMENT_REFERENCE_MAX - 1)
			return ERR_INVALID;
		out[n++] = (char)toupper((unsigned char)*s);
	}
	snprintf(out + n, PAYMENT_REFERENCE_MAX - n, "%02d", ordinal);
	return n > 0 ? 0 : ERR_INVALID;
}

int rules_check_collect(const char *order_agency, int state, int64_t order_vnd,
			const char *officer_agency, int64_t paid_vnd, struct err *err)
{
	if (strcmp(order_agency, officer_agency) != 0)
		return err_set(err, &not_your_order, NULL, order_agency);
	if (state != PAYMENT__ORDER_STATE__ORDER_STATE_OPEN)
		return err_set(err, &order_not_open, "order_id", NULL);
	if (order_vnd != paid_vnd)
		return err_set(err, &amount_differs, "amount_vnd", NULL);
	return 0;
}
