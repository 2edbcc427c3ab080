/* The page's texts (i18n/vi.json, i18n/en.json) and its one style sheet, read once at start. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "services/gateway/gateway.h"

#define STYLE_MAX_BYTES (256 * 1024)
#define TEXTS_MAX_BYTES (256 * 1024)
#define PATH_BYTES      4096

static const struct err_kind web_invalid = {ERR_INVALID, "WEB_INVALID",
					    "Thư mục trang web không hợp lệ: %s",
					    "the web folder is not valid: %s"};

struct web {
	json_t *texts[2]; /* vi, en */
	struct buf style;
	char etag[20];
};

static int read_into(const char *dir, const char *name, struct buf *out, struct err *err)
{
	char path[PATH_BYTES];
	char chunk[4096];
	CLEANUP_FILE FILE *file = NULL;
	size_t n;
	int r = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "re");
	while (file && r == 0 && (n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		r = buf_append(out, chunk, n);
	if (!file || r < 0 || ferror(file))
		return err_set(err, &web_invalid, NULL, path);
	return 0;
}

static int read_texts(const char *dir, const char *name, json_t **ret_texts, struct err *err)
{
	struct buf text;
	json_t *json, *value;
	const char *key;
	int r;

	buf_init(&text, TEXTS_MAX_BYTES);
	r = read_into(dir, name, &text, err);
	if (r == 0) {
		json = json_loadb(buf_str(&text), text.len, JSON_REJECT_DUPLICATES, NULL);
		*ret_texts = json;
		if (!json_is_object(json))
			r = err_set(err, &web_invalid, NULL, name);
		json_object_foreach(json, key, value)
		{
			if (!json_is_string(value))
				r = err_set(err, &web_invalid, NULL, key);
		}
	}
	buf_done(&text);
	return r;
}

/* Every text exists in both languages. */
static int compare_keys(const struct web *web, struct err *err)
{
	for (int i = 0; i < 2; i++) {
		const char *key;
		json_t *value;

		json_object_foreach(web->texts[i], key, value)
		{
			if (!json_object_get(web->texts[1 - i], key))
				return err_set(err, &web_invalid, NULL, key);
		}
	}
	return 0;
}

int web_read(const char *dir, struct web **ret_web, struct err *err)
{
	struct web *web = base_alloc(sizeof(*web));
	uint8_t digest[CRYPT_SHA256_BYTES];

	buf_init(&web->style, STYLE_MAX_BYTES);
	if (read_texts(dir, "i18n/vi.json", &web->texts[0], err) < 0 ||
	    read_texts(dir, "i18n/en.json", &web->texts[1], err) < 0 ||
	    compare_keys(web, err) < 0 || read_into(dir, "app.css", &web->style, err) < 0) {
		web_free(web);
		return err->status;
	}
	crypt_sha256(buf_str(&web->style), web->style.len, digest);
	web->etag[0] = '"';
	crypt_hex(digest, 8, web->etag + 1);
	memcpy(web->etag + 17, "\"", 2);
	*ret_web = web;
	return 0;
}

void web_free(struct web *web)
{
	if (!web)
		return;
	json_decref(web->texts[0]);
	json_decref(web->texts[1]);
	buf_done(&web->style);
	free(web);
}

const char *web_text(const struct web *web, bool english, const char *key)
{
	const char *text = json_string_value(json_object_get(web->texts[english], key));

	CHECK(text);
	return text;
}

const struct buf *web_style(const struct web *web)
{
	return &web->style;
}

const char *web_style_etag(const struct web *web)
{
	return web->etag;
}
