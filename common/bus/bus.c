#include "common/bus/bus.h"

#include <string.h>

#include "common/bus/cert.h"

static const struct err_kind no_secret = {ERR_INVALID, "NO_SECRET_KEY",
					  "Tệp %s không có khóa bí mật", "no secret key in %s"};
static const struct err_kind bad_endpoints = {ERR_INVALID, "BAD_ENDPOINTS",
					      "Danh sách địa chỉ bus không hợp lệ: %s",
					      "bad list of bus endpoints: %s"};

int bus_keys_read(const char *secret_path, const char *broker_path, struct bus_keys *ret_keys,
		  struct err *err)
{
	struct cert own, broker;
	int rc = cert_read(secret_path, &own, err);

	if (rc == 0 && !own.secret_z85[0])
		rc = err_set(err, &no_secret, NULL, secret_path);
	if (rc == 0)
		rc = cert_read(broker_path, &broker, err);
	if (rc == 0) {
		memcpy(ret_keys->public_z85, own.public_z85, 41);
		memcpy(ret_keys->secret_z85, own.secret_z85, 41);
		memcpy(ret_keys->broker_z85, broker.public_z85, 41);
	}
	explicit_bzero(&own, sizeof(own));
	return rc;
}

void bus_keys_wipe(struct bus_keys *keys)
{
	explicit_bzero(keys, sizeof(*keys));
}

bool bus_name_valid(const char *name, size_t n)
{
	if (n == 0 || n >= BUS_NAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	for (size_t i = 1; i < n; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
		      c == '-'))
			return false;
	}
	return true;
}

int bus_endpoints_split(const char *list, char out[static BUS_ENDPOINTS_MAX][128], struct err *err)
{
	int n = 0;

	for (const char *p = list + strspn(list, " "); *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		if (n == BUS_ENDPOINTS_MAX || len >= 128 || !memmem(p, len, "://", 3))
			return err_set(err, &bad_endpoints, NULL, list);
		memcpy(out[n], p, len);
		out[n++][len] = 0;
		p += len;
	}
	return n > 0 ? n : err_set(err, &bad_endpoints, NULL, list);
}
