/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Ownership helpers used by every other folder.
 *
 *   auto_fd int fd = -1;           closed when the scope ends
 *   auto_free char *s = NULL;      freed when the scope ends
 *   return fd_take(&fd);           ownership leaves the scope
 *
 * Every such variable is initialised where it is declared.
 */
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define isle_must_check	  __attribute__((warn_unused_result))
#define isle_printf(f, a) __attribute__((format(printf, f, a)))
#define isle_noreturn	  __attribute__((noreturn))

/* For a result that changes nothing, say why beside it; (void) does not silence warn_unused_result. */
#define isle_ignore(call) ((void)!(call))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void isle_cleanup_free(void *p)
{
	free(*(void **)p);
}

/* Closes *fd when it is open. errno survives. */
void isle_cleanup_fd(const int *fd);

#define auto_free __attribute__((cleanup(isle_cleanup_free)))
#define auto_fd	  __attribute__((cleanup(isle_cleanup_fd)))

/* Hands the descriptor over and leaves -1 behind. */
static inline int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void *isle_ptr_take(void *pp)
{
	void *taken = *(void **)pp;

	*(void **)pp = NULL;
	return taken;
}

/* Hands the pointer over and leaves NULL behind. */
#define ptr_take(pp) ((__typeof__(*(pp)))isle_ptr_take(pp))
