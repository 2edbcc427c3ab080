/* When dossiers may come in through which channel: lists of profiles, the newest one in force. */
#include <stdio.h>
#include <string.h>

#include "common/base/civil.h"
#include "services/dossier/dossier.h"

#define CHANNELS_MAX 100

static const struct db_stmt read_list = {
	"SELECT version, channel, opens, closes, legal_basis, instead FROM channel_rule"
	" WHERE version = (SELECT max(version) FROM channel_rule) ORDER BY channel, opens"};

static const struct db_stmt insert_rule = {
	"INSERT INTO channel_rule (version, channel, opens, closes, legal_basis, instead,"
	" manifest_sha256, imported_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};

int channels_check_import(struct call *c, const Dossier__ImportProfileRequest *in)
{
	char path[48];

	if (in->n_channels > CHANNELS_MAX)
		return err_set(&c->err, &err_too_large, "channels", "channels");
	for (size_t i = 0; i < in->n_channels; i++) {
		snprintf(path, sizeof(path), "channels[%zu]", i);
		if (rules_check_channel(in->channels[i], path, &c->err) < 0)
			return c->err.status;
		for (size_t j = 0; j < i; j++)
			if (in->channels[j]->channel == in->channels[i]->channel &&
			    strcmp(in->channels[j]->opens, in->channels[i]->opens) == 0)
				return err_set(&c->err, &err_invalid_field, path, "opens");
	}
	return 0;
}

int channels_add(struct call *c)
{
	return tx_add(c, &read_list);
}

/* The days of a rule that was checked. */
static void days_of(const Dossier__ChannelRule *r, int32_t *ret_opens, int32_t *ret_closes)
{
	civil_parse(r->opens, ret_opens);
	civil_parse_or_forever(r->closes, ret_closes);
}

static bool is_listed(const struct db_tx *tx, int slot, const Dossier__ChannelRule *r)
{
	int32_t opens = 0, closes = 0;

	days_of(r, &opens, &closes);
	for (int row = 0; row < db_rows(tx, slot); row++)
		if (db_get_int(tx, slot, row, 1) == (int64_t)r->channel &&
		    db_get_date(tx, slot, row, 2) == opens &&
		    db_get_date(tx, slot, row, 3) == closes &&
		    strcmp(db_get_text(tx, slot, row, 4), r->legal_basis) == 0 &&
		    strcmp(db_get_text(tx, slot, row, 5), r->instead) == 0)
			return true;
	return false;
}

int32_t channels_import(struct call *c, int slot, const Dossier__ImportProfileRequest *in)
{
	int n = db_rows(&c->tx, slot);
	int32_t version = n > 0 ? (int32_t)db_get_int(&c->tx, slot, 0, 0) : 0;
	int32_t changed = 0;

	for (size_t i = 0; i < in->n_channels; i++)
		changed += !is_listed(&c->tx, slot, in->channels[i]);
	if (in->n_channels == 0 || (changed == 0 && in->n_channels == (size_t)n))
		return 0;
	for (size_t i = 0; i < in->n_channels; i++) {
		const Dossier__ChannelRule *r = in->channels[i];
		int32_t opens = 0, closes = 0;

		days_of(r, &opens, &closes);
		tx_add(c, &insert_rule, DB_INT4(version + 1), DB_INT4(r->channel), DB_DATE(opens),
		       DB_DATE(closes), DB_TEXT(r->legal_basis), DB_TEXT(r->instead),
		       DB_TEXT(in->manifest_sha256), DB_TIME(c->now_us));
	}
	return changed > 0 ? changed : 1;
}
