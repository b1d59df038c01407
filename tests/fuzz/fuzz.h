/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One parser under test: takes any bytes and aborts when a promise of its header is broken. libFuzzer calls it with
 * what it invents (meson setup -Dfuzz=true, clang), replay.c with the files of the corpus.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)
