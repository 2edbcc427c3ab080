/*
 * Memory of one call: allocated piece by piece, zeroed, capped, freed at once. Not thread-safe: an
 * arena belongs to whoever holds the call. arena_alloc() returns NULL when the cap is reached; the
 * other functions pass that on. Nothing is ever freed singly.
 */
#ifndef LGSP_BASE_ARENA_H
#define LGSP_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used;
	size_t cap;
};

/* An empty arena that hands out at most cap bytes. */
void arena_init(struct arena *arena, size_t cap);
/* Frees everything; the arena can be used again. NULL and zeroed arenas are fine. */
void arena_done(struct arena *arena);
/* As arena_done(), but keeps a small block for what comes next: for arenas used again and again. */
void arena_reset(struct arena *arena);

/* Zeroed memory aligned for any type, or NULL at the cap. size 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);
/* As arena_alloc() for n elements; NULL also when the product overflows. */
void *arena_calloc(struct arena *arena, size_t n, size_t size);
char *arena_strdup(struct arena *arena, const char *s);
/* Copies n bytes and adds a NUL. */
char *arena_memdup(struct arena *arena, const void *p, size_t n);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
