/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What else the kernel opens to run a program: the interpreter of a script, the loader of a 64-bit ELF file. The file
 * is a program's own work and is read with suspicion.
 */
#include "macros.h"
#include <stddef.h>

/* 1: its path, as the file has it, is in path (room bytes); 0: there is none; -errno: the file cannot be read. */
int isle_interpreter_of(int fd, char *path, size_t room) isle_must_check;
