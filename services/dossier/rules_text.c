/* Single values that people and systems write: text, numbers, codes. */
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/utf8.h"
#include "services/dossier/rules.h"

const struct err_kind rules_bad_citizen_number = {ERR_INVALID, "BAD_CITIZEN_NUMBER",
						  "Số định danh cá nhân không hợp lệ",
						  "not a valid citizen number"};
const struct err_kind rules_bad_tax_code = {ERR_INVALID, "BAD_TAX_CODE", "Mã số thuế không hợp lệ",
					    "not a valid tax code"};
const struct err_kind rules_bad_phone = {ERR_INVALID, "BAD_PHONE", "Số điện thoại không hợp lệ",
					 "not a valid telephone number"};
const struct err_kind rules_bad_email = {
	ERR_INVALID, "BAD_EMAIL", "Địa chỉ thư điện tử không hợp lệ", "not a valid e-mail address"};
static const struct err_kind bad_text = {
	ERR_INVALID, "BAD_TEXT", "Nội dung quá dài hoặc có ký tự điều khiển (tối đa %s ký tự)",
	"too long or with control characters (at most %s characters)"};

#define EMAIL_MAX 254 /* RFC 5321 4.5.3.1.3, without the brackets */

bool rules_email(const char *s)
{
	static const char regex[] = "^[A-Za-z0-9_%+-]+(\\.[A-Za-z0-9_%+-]+)*@"
				    "([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\\.)+[A-Za-z]{2,}$";

	return strlen(s) <= EMAIL_MAX && rules_matches(s, regex);
}

bool rules_blank(const char *s)
{
	return s[strspn(s, " \t\r\n")] == '\0';
}

bool rules_text(const char *s, size_t max)
{
	if (utf8_length(s) > max)
		return false;
	for (const unsigned char *p = (const unsigned char *)s; *p; p++)
		if ((*p < 0x20 && !strchr("\t\r\n", *p)) || *p == 0x7f)
			return false;
	return true;
}

void rules_check_text(const char *s, size_t max, const char *field, struct err *err)
{
	char arg[24];

	if (rules_text(s, max))
		return;
	snprintf(arg, sizeof(arg), "%zu", max);
	err_add(err, &bad_text, field, arg);
}

void rules_check_required_text(const char *s, size_t max, const char *field, struct err *err)
{
	if (rules_blank(s))
		err_add(err, &err_required_field, field, NULL);
	else
		rules_check_text(s, max, field, err);
}

bool rules_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

bool rules_matches(const char *s, const char *regex)
{
	regex_t compiled;
	bool matches;

	CHECK(regcomp(&compiled, regex, REG_EXTENDED | REG_NOSUB) == 0);
	matches = regexec(&compiled, s, 0, NULL, 0) == 0;
	regfree(&compiled);
	return matches;
}
