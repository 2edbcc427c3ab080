#include "common/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"

#ifdef __has_feature /* clang's way to say it */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

/* Under AddressSanitizer every piece is a block of its own, so that it sees overruns. */
#ifdef __SANITIZE_ADDRESS__
#define BLOCK_MIN 0
#define BLOCK_MAX 0
#else
#define BLOCK_MIN 4096
#define BLOCK_MAX (256 * 1024)
#endif

#define ALIGNMENT _Alignof(max_align_t)

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	_Alignas(max_align_t) uint8_t data[];
};

void arena_init(struct arena *arena, size_t cap)
{
	*arena = (struct arena){.cap = cap};
}

void arena_done(struct arena *arena)
{
	if (!arena)
		return;
	while (arena->blocks) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
	arena->used = 0;
}

void arena_reset(struct arena *arena)
{
	struct arena_block *block = arena->blocks;

	/* Pieces are zero: those of the block kept are made so here. */
	if (BLOCK_MIN == 0 || !block || block->next || block->size != BLOCK_MIN) {
		arena_done(arena);
		return;
	}
	memset(block->data, 0, block->used < block->size ? block->used : block->size);
	block->used = 0;
	arena->used = 0;
}

/* Blocks double, so that a large call does not walk thousands of small ones. */
static struct arena_block *block_add(struct arena *arena, size_t need)
{
	size_t size = arena->blocks ? arena->blocks->size * 2 : BLOCK_MIN;
	struct arena_block *block;

	if (size > BLOCK_MAX)
		size = BLOCK_MAX;
	if (size < need)
		size = need;
	block = base_alloc(sizeof(*block) + size);
	block->size = size;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->blocks;
	size_t need;
	void *p;

	if (size > arena->cap)
		return NULL;
	need = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (need == 0)
		need = ALIGNMENT;
	if (need > arena->cap - arena->used)
		return NULL;
	/* The last piece of a block may go without its padding: ASan then sees its true end. */
	if (!block || block->used > block->size || size > block->size - block->used)
		block = block_add(arena, size);
	p = block->data + block->used;
	block->used += need;
	arena->used += need;
	return p;
}

void *arena_calloc(struct arena *arena, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	return arena_alloc(arena, total);
}

char *arena_memdup(struct arena *arena, const void *p, size_t n)
{
	char *copy;

	if (n == SIZE_MAX)
		return NULL;
	copy = arena_alloc(arena, n + 1);
	if (!copy)
		return NULL;
	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}

char *arena_strdup(struct arena *arena, const char *s)
{
	return arena_memdup(arena, s, strlen(s));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	CHECK(n >= 0);

	s = arena_alloc(arena, (size_t)n + 1);
	if (!s)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}
