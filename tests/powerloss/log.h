/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The log of a disk: what reached it, in order. Records follow each other in the file; a write's data follows its
 * record.
 */
#include <stdint.h>

enum log_kind {
	LOG_WRITE = 1,
	LOG_FLUSH = 2, /* all writes to this disk before it are there for good */
	LOG_MARK = 3,  /* the data is a word that the test has written to the file "mark" */
};

struct log_record {
	uint64_t kind;
	uint64_t disk;
	uint64_t offset; /* in the image */
	uint64_t size;	 /* of the data */
};
