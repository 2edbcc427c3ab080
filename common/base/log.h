/*
 * One log line = one event, logfmt, UTC, to standard error:
 *
 *	ts=2024-05-21T01:00:00.123456Z level=info svc=dossier event=dossier.accepted code=H40…
 *
 * Values are given as typed fields; quoting is done here. Never log an identity number, a phone, a
 * name or a payload. Thread-safe: a line is one write(2). log_trace_set() gives the calling thread
 * a trace id that every line of it then carries.
 */
#ifndef LGSP_BASE_LOG_H
#define LGSP_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
	const char *key;
	const char *str; /* NULL: num is the value */
	int64_t num;
};

/* A function, so that arrays may be given too without a warning about their address. */
static inline const char *log_text(const char *s)
{
	return s ? s : "";
}

#define LOG_STR(k, v) ((struct log_field){.key = (k), .str = log_text(v)})
#define LOG_NUM(k, v) ((struct log_field){.key = (k), .num = (int64_t)(v)})

/* Names the service and sets the lowest level written; level is debug, info, warn or error. */
int log_init(const char *svc, const char *level);
void log_trace_set(const char *trace_id); /* NULL clears */
void log_write(enum log_level level, const char *event, const struct log_field *f, size_t n);
/* As log_write(), whatever the lowest level, to another file. 0, or -1 with errno. */
int log_write_to(int fd, const char *event, const struct log_field *f, size_t n);

#define LOG_EVENT(level, event, ...)                                                               \
	log_write(level, event, (const struct log_field[]){__VA_ARGS__},                           \
		  sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
#define log_debug(event, ...) LOG_EVENT(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...)  LOG_EVENT(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...)  LOG_EVENT(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_EVENT(LOG_ERROR, event, ##__VA_ARGS__)

#endif
