/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * bind(2) where a program could give a socket a name that processes outside can connect to (ISLE_TRAP_BINDS): with the
 * host's network an abstract name, below --write a path.
 *
 * Whoever connects can hand in a descriptor (SCM_RIGHTS), and through one of the host's root the program reaches what
 * its rights allow: no path, and so no mount, stands between. So the supervisor makes the call itself, with an address
 * that it has copied once. Abstract names are refused with the host's network; paths are refused on all mounts but the
 * isle's own. This is a wall, as attributes.h is.
 */
#include "guide_internal.h"

/* Always answers the call. */
isle_handler isle_bind_in_place;
