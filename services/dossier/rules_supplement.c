/* What may be asked for once more, and whether an answer holds it. */
#include "services/dossier/rules_work.h"

#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

static const struct err_kind no_item = {ERR_INVALID, "NO_ITEM",
					"Phải nêu ít nhất một nội dung cần bổ sung",
					"at least one thing to be added must be named"};
static const struct err_kind unknown_item = {ERR_INVALID, "UNKNOWN_ITEM",
					     "Thủ tục không có thành phần hoặc trường %s",
					     "the procedure has no component or field %s"};
static const struct err_kind item_twice = {ERR_INVALID, "DUPLICATE_ITEM",
					   "Nội dung %s được nêu hai lần", "%s is named twice"};
static const struct err_kind not_asked = {
	ERR_INVALID, "NOT_ASKED", "Không yêu cầu bổ sung nội dung %s", "%s was not asked for"};
static const struct err_kind not_answered = {ERR_INVALID, "NOT_ANSWERED",
					     "Chưa bổ sung nội dung được yêu cầu: %s",
					     "what was asked for is missing: %s"};

static bool has_component(const Dossier__Procedure *p, const char *code)
{
	for (size_t i = 0; i < p->n_components; i++)
		if (strcmp(p->components[i]->code, code) == 0)
			return true;
	return false;
}

static bool has_field(const Dossier__Procedure *p, const char *name)
{
	for (size_t i = 0; i < p->n_form; i++)
		if (strcmp(p->form[i]->name, name) == 0)
			return true;
	return false;
}

static bool same_item(const Dossier__SupplementItem *a, const Dossier__SupplementItem *b)
{
	return strcmp(a->field, b->field) == 0 && strcmp(a->component, b->component) == 0;
}

static void check_item(const Dossier__Procedure *p, const struct rules_reasons *reasons,
		       const Dossier__SupplementItem *item, const char *path, struct err *err)
{
	const char *name = item->field[0] ? item->field : item->component;
	size_t length = utf8_length(item->text);
	struct err reason = {.status = 0};
	char field[64];

	if ((item->field[0] == '\0') == (item->component[0] == '\0'))
		err_add(err, &err_invalid_field, path, "field or component");
	else if (item->field[0] ? !has_field(p, name) : !has_component(p, name))
		err_add(err, &unknown_item, path, name);
	snprintf(field, sizeof(field), "%s.reason", path);
	if (rules_reason(reasons, item->reason, "text", field, &reason) < 0)
		err_add(err, &rules_unknown_reason, field, item->reason);
	snprintf(field, sizeof(field), "%s.text", path);
	if (length == 0 || length > RULES_NOTE_MAX)
		err_add(err, &err_invalid_field, field, "1..1000");
}

void rules_check_items(const Dossier__Procedure *p, const struct rules_reasons *reasons,
		       const Dossier__RequestSupplementRequest *in, struct err *err)
{
	char path[32];

	if (in->n_items == 0)
		err_add(err, &no_item, "items", NULL);
	if (in->n_items > RULES_SUPPLEMENT_ITEMS_MAX)
		err_add(err, &err_invalid_field, "items", "1..50");
	if (in->reply_days > RULES_REPLY_DAYS_MAX)
		err_add(err, &err_invalid_field, "reply_days", "0..180");
	if (in->reply_days == 0 && p->reply_days == 0)
		err_add(err, &err_required_field, "reply_days", NULL);
	for (size_t i = 0; i < in->n_items && i < RULES_SUPPLEMENT_ITEMS_MAX; i++) {
		snprintf(path, sizeof(path), "items[%zu]", i);
		check_item(p, reasons, in->items[i], path, err);
		for (size_t j = 0; j < i; j++)
			if (same_item(in->items[i], in->items[j]))
				err_add(err, &item_twice, path,
					in->items[i]->field[0] ? in->items[i]->field
							       : in->items[i]->component);
	}
}

static bool in_list(const char *const *list, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], s) == 0)
			return true;
	return false;
}

static void check_asked(const struct rules_asked *asked, const Dossier__SupplementRequest *in,
			struct err *err)
{
	char path[40];

	for (size_t i = 0; i < in->n_form; i++) {
		snprintf(path, sizeof(path), "form[%zu]", i);
		if (!in_list(asked->fields, asked->n_fields, in->form[i]->name))
			err_add(err, &not_asked, path, in->form[i]->name);
	}
	for (size_t i = 0; i < in->n_components; i++) {
		snprintf(path, sizeof(path), "components[%zu]", i);
		if (!in_list(asked->components, asked->n_components, in->components[i]->code))
			err_add(err, &not_asked, path, in->components[i]->code);
	}
}

/* Times a component is answered with something. */
static int answers_of(const Dossier__SupplementRequest *in, const char *component)
{
	int n = 0;

	for (size_t i = 0; i < in->n_components; i++)
		if (strcmp(in->components[i]->code, component) == 0 &&
		    (in->components[i]->n_file_ids > 0 || in->components[i]->paper_copies > 0))
			n++;
	return n;
}

static int values_of(const Dossier__SupplementRequest *in, const char *field)
{
	int n = 0;

	for (size_t i = 0; i < in->n_form; i++)
		n += strcmp(in->form[i]->name, field) == 0;
	return n;
}

void rules_check_answer(const struct rules_asked *asked, const Dossier__SupplementRequest *in,
			struct err *err)
{
	check_asked(asked, in, err);
	for (size_t i = 0; i < asked->n_fields; i++) {
		int n = values_of(in, asked->fields[i]);

		if (n > 1 || (n == 0 && !asked->unknown))
			err_add(err, n ? &item_twice : &not_answered, "form", asked->fields[i]);
	}
	for (size_t i = 0; i < asked->n_components; i++) {
		int n = answers_of(in, asked->components[i]);

		if (n > 1 || (n == 0 && !asked->unknown))
			err_add(err, n ? &item_twice : &not_answered, "components",
				asked->components[i]);
	}
}
