/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Extended attributes of (directory, name): the object itself, never what a symbolic link points to, and without
 * opening it, so that FIFOs and devices stay untouched. name "" is the descriptor itself, which may be O_PATH.
 * Each returns what the system call of that name returns, or -errno.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

ssize_t isle_xattr_list(int dir, const char *name, char *list, size_t room);
ssize_t isle_xattr_get(int dir, const char *name, const char *key, void *value, size_t room);
int isle_xattr_set(int dir, const char *name, const char *key, const void *value, size_t size);
int isle_xattr_remove(int dir, const char *name, const char *key);

/* True for a name that belongs to overlayfs, with either of its prefixes. None of them may leave a layer. */
bool isle_xattr_is_overlay(const char *name);
