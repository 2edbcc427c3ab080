#include "common/base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/err.h"

static _Atomic int64_t business_offset_us;
static _Atomic int64_t frozen_business_us;

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	CHECK(clock_gettime(id, &ts) == 0);
	return ts.tv_sec * CLOCK_US_PER_S + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

#ifdef LGSP_CRASH_POINTS
static const _Atomic int64_t *clock_file;

static void clock_file_open(void)
{
	const char *path = getenv("LGSP_CLOCK_FILE");
	CLEANUP_FD int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map;

	if (!path)
		return;
	CHECK(fd >= 0);
	map = mmap(NULL, sizeof(*clock_file), PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	clock_file = map;
}

static int64_t frozen_us(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, clock_file_open);
	return clock_file ? *clock_file : frozen_business_us;
}
#else
static int64_t frozen_us(void)
{
	return frozen_business_us;
}
#endif

int64_t clock_business_us(void)
{
	int64_t frozen = frozen_us();

	return frozen ? frozen : clock_wall_us() + business_offset_us;
}

void clock_set_business_offset_us(int64_t offset_us)
{
	business_offset_us = offset_us;
}

int64_t clock_business_offset_us(void)
{
	return business_offset_us;
}

void clock_freeze_business_us(int64_t us)
{
	frozen_business_us = us;
}

void clock_format_utc(int64_t us, char out[static 28])
{
	int64_t second = us / CLOCK_US_PER_S - (us % CLOCK_US_PER_S < 0);
	int64_t rest = (us % CLOCK_US_PER_S + CLOCK_US_PER_S) % CLOCK_US_PER_S;
	int64_t days = second / 86400 - (second % 86400 < 0);
	int of_day = (int)(second - days * 86400);
	char text[80];
	int y, m, d;

	civil_to_ymd((int32_t)days, &y, &m, &d);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", y, m, d, of_day / 3600,
		 of_day / 60 % 60, of_day % 60, (int)rest);
	memcpy(out, text, 27);
	out[27] = 0;
}

/* Reads exactly n digits not above max and moves *s behind them. */
static bool number(const char **s, int n, int max, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		value = value * 10 + (**s - '0');
	}
	*ret_value = value;
	return value <= max;
}

static bool literal(const char **s, const char *one_of)
{
	if (!**s || !strchr(one_of, **s))
		return false;
	(*s)++;
	return true;
}

static bool fraction(const char **s, int *ret_us)
{
	int value = 0, scale = 1000000;

	*ret_us = 0;
	if (**s != '.')
		return true;
	for ((*s)++; **s >= '0' && **s <= '9' && scale > 1; (*s)++) {
		value = value * 10 + (**s - '0');
		scale /= 10;
	}
	*ret_us = value * scale;
	return scale < 1000000;
}

static bool zone(const char **s, int *ret_minutes)
{
	int sign = **s == '-' ? -1 : 1, h, m;

	*ret_minutes = 0;
	if (literal(s, "Zz"))
		return true;
	if (!literal(s, "+-") || !number(s, 2, 23, &h) || !literal(s, ":") || !number(s, 2, 59, &m))
		return false;
	*ret_minutes = sign * (h * 60 + m);
	return true;
}

int clock_parse_rfc3339(const char *s, int64_t *ret_us)
{
	char date[11] = "";
	int h, min, sec, us, offset;
	int32_t day;

	if (strnlen(s, 10) < 10)
		return ERR_INVALID;
	memcpy(date, s, 10);
	s += 10;
	if (civil_parse(date, &day) < 0 || !literal(&s, "Tt ") || !number(&s, 2, 23, &h) ||
	    !literal(&s, ":") || !number(&s, 2, 59, &min) || !literal(&s, ":") ||
	    !number(&s, 2, 59, &sec) || !fraction(&s, &us) || !zone(&s, &offset) || *s)
		return ERR_INVALID;
	*ret_us =
		((int64_t)day * 86400 + h * 3600 + (min - offset) * 60 + sec) * CLOCK_US_PER_S + us;
	return 0;
}
