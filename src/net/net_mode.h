/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What of the network an isle has. */
enum isle_net_mode {
	ISLE_NET_INTERNET, /* own network namespace; pasta joins it to the outside at the first use */
	ISLE_NET_NONE,	   /* own network namespace with a loopback of its own */
	ISLE_NET_HOST,	   /* that of the host */
};
