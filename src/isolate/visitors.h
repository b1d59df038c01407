/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Those who have connected to live.sock and have not yet said all of what they want. Nobody is waited for: what has
 * come is kept, whoever has said nothing whole within VISITOR_MS is sent away, and where there are too many the oldest
 * is.
 *
 *   isle_visitors_watch(&visitors, fds, &count, &until)   before poll(2)
 *   isle_visitors_hear(&visitors, fds)                    after it
 *   while (isle_visitors_next(&visitors, &visitor)) ...   who has said it all
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

enum { ISLE_VISITORS_MAX = 64 };

struct isle_visitor {
	int connection;
	int64_t until; /* milliseconds of CLOCK_MONOTONIC */
	struct isle_wire_partial said;
	bool complete;
};

struct isle_visitors {
	struct isle_visitor list[ISLE_VISITORS_MAX]; /* in the order in which they came */
	unsigned count;
	int64_t deaf; /* until then there is no descriptor for another one */
};

#define ISLE_VISITORS_INIT ((struct isle_visitors){0})

/* Lets those in who wait at the listener. */
void isle_visitors_admit(struct isle_visitors *visitors, int listener);

/* Whether the listener is to be watched; if not, *until is set to when, if that is sooner. */
bool isle_visitors_listening(const struct isle_visitors *visitors, int64_t *until);

/* Adds what is to be watched; at most ISLE_VISITORS_MAX. */
void isle_visitors_watch(const struct isle_visitors *visitors, struct pollfd *fds, nfds_t *count, int64_t *until);

/* Takes what has come, with the same fds, before anything else is done; sends away whoever is late. */
void isle_visitors_hear(struct isle_visitors *visitors, const struct pollfd *fds);

/* The next one whose message is whole, taken off the list: the connection is the caller's. */
bool isle_visitors_next(struct isle_visitors *visitors, struct isle_visitor *ret_visitor);
/* Puts one back that has to wait for something else. */
void isle_visitors_put_back(struct isle_visitors *visitors, const struct isle_visitor *visitor);
