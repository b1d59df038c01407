/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an isle remembers about its last mount, as symbolic links in its directory: `boot` (the boot id of the machine),
 * `options` (of the mounted view), `mounted` ("volatile" or "durable", while it is), `torn` (the machine went down
 * while a volatile layer was mounted, so the layer may lack what had been written last).
 */
#include "error.h"
#include "store.h"
#include <stdbool.h>

/* Before a mount, under the lock: marks an isle torn whose machine went down during a run. */
int isle_boot_check(const struct isle *isle, struct isle_err *err) isle_must_check;

/* False when the isle was last mounted before the machine went down. */
bool isle_boot_is_this(const struct isle *isle);

/* The mark of a mount: there while it lasts, and after a keeper that was killed. */
bool isle_boot_is_mounted(const struct isle *isle);
void isle_boot_unmounted(const struct isle *isle);

bool isle_is_torn(const struct isle *isle);
/* The user has looked and said yes. */
int isle_torn_forgive(const struct isle *isle) isle_must_check;

/* Sets the link NAME to a word of at most 4095 bytes (a longer one is cut, both here and in comparing). */
int isle_boot_note(const struct isle *isle, const char *name, const char *word) isle_must_check;
bool isle_boot_same(const struct isle *isle, const char *name, const char *word);
