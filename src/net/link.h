/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The links of the current network namespace. Allocates nothing; needs CAP_NET_ADMIN there. */
#include "macros.h"

/* Brings the loopback interface up. 0 or -errno. */
int isle_net_lo_up(void) isle_must_check;
