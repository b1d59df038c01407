/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The names of users and groups as /etc/passwd and /etc/group of the host have them, read once.
 */
#include <stdint.h>

/* NULL when there is none. Valid until the program ends. */
const char *isle_user_name(uint32_t uid);
const char *isle_group_name(uint32_t gid);
