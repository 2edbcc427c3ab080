#include "services/payment/vietqr.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/money.h"

#define FIELD_MAX 99 /* a length has two digits */

uint16_t vietqr_crc(const void *p, size_t n)
{
	const uint8_t *bytes = p;
	uint16_t crc = 0xffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= (uint16_t)(bytes[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
	}
	return crc;
}

static bool is_digits(const char *s, size_t min, size_t max)
{
	size_t n = strspn(s, "0123456789");

	return s[n] == '\0' && n >= min && n <= max;
}

static bool is_text(const char *s, size_t max)
{
	size_t n = 0;

	for (; s[n]; n++) {
		if ((unsigned char)s[n] < 0x20 || (unsigned char)s[n] > 0x7e)
			return false;
	}
	return n <= max;
}

static bool is_number(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]))
		n++;
	return s[n] == '\0' && n >= 1 && n <= 19;
}

/* One tag-length-value field; an empty value writes nothing. */
static int field(struct buf *out, const char *tag, const char *value)
{
	size_t n = strlen(value);

	if (n == 0)
		return 0;
	if (n > FIELD_MAX)
		return ERR_INVALID;
	return buf_printf(out, "%s%02zu%s", tag, n, value);
}

static int account_template(const struct vietqr *qr, struct buf *out)
{
	struct buf bank, all;
	int rc;

	buf_init(&bank, FIELD_MAX + 1);
	buf_init(&all, FIELD_MAX + 1);
	rc = field(&bank, "00", qr->bin);
	if (rc == 0)
		rc = field(&bank, "01", qr->number);
	if (rc == 0)
		rc = field(&all, "00", "A000000727");
	if (rc == 0)
		rc = field(&all, "01", buf_str(&bank));
	if (rc == 0)
		rc = field(&all, "02", qr->card ? "QRIBFTTC" : "QRIBFTTA");
	if (rc == 0)
		rc = field(out, "38", buf_str(&all));
	buf_done(&bank);
	buf_done(&all);
	return rc;
}

static int additional_template(const struct vietqr *qr, struct buf *out)
{
	struct buf data;
	int rc;

	buf_init(&data, FIELD_MAX + 1);
	rc = field(&data, "01", qr->bill);
	if (rc == 0)
		rc = field(&data, "08", qr->purpose);
	if (rc == 0)
		rc = field(out, "62", buf_str(&data));
	buf_done(&data);
	return rc;
}

static int payload(const struct vietqr *qr, struct buf *out)
{
	char amount[24] = "";
	int rc;

	if (qr->amount_vnd > 0)
		snprintf(amount, sizeof(amount), "%" PRId64, qr->amount_vnd);
	if (strlen(amount) > 13)
		return ERR_INVALID;
	rc = buf_puts(out, qr->amount_vnd > 0 ? "000201010212" : "000201010211");
	if (rc == 0)
		rc = account_template(qr, out);
	if (rc == 0)
		rc = field(out, "53", "704");
	if (rc == 0)
		rc = field(out, "54", amount);
	if (rc == 0)
		rc = field(out, "58", "VN");
	if (rc == 0)
		rc = additional_template(qr, out);
	if (rc == 0)
		rc = buf_puts(out, "6304");
	if (rc == 0)
		rc = buf_printf(out, "%04X", vietqr_crc(out->data, out->len));
	return rc;
}

int vietqr_write(const struct vietqr *qr, char out[static VIETQR_MAX])
{
	struct buf text;
	int rc;

	out[0] = '\0';
	if (!is_digits(qr->bin, 6, 6) || !is_number(qr->number) || !is_text(qr->bill, 25) ||
	    !is_text(qr->purpose, VIETQR_PURPOSE_MAX) || qr->amount_vnd < 0 ||
	    qr->amount_vnd > MONEY_MAX_VND)
		return ERR_INVALID;
	buf_init(&text, VIETQR_MAX - 1);
	rc = payload(qr, &text);
	if (rc == 0)
		memcpy(out, text.data, text.len + 1);
	buf_done(&text);
	return rc == 0 ? 0 : ERR_INVALID;
}
