/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Changes of mode and owner by uid 0 of an isle that has the host's network (ISLE_TRAP_ATTRIBUTES).
 *
 * The files in /proc/PID/net belong to the network namespace. With that of the host they are the host's, and uid 0
 * owns them. They cannot be covered by mounts, since every process has such a directory. So the supervisor makes these
 * calls itself: for what is on a proc file system they fail with EPERM, for everything else they do what the kernel
 * would have done. Unlike the rest of this folder this is a wall: no such call goes on to the kernel, so nothing can be
 * exchanged between the check and the change.
 *
 * A path below /proc is taken only as /proc/self/fd/N, the form that the C library uses; others fail with EPERM.
 */
#include "guide_internal.h"

/* True for the calls that are meant. */
bool isle_attributes_is_change(int nr);

/* Always answers the call. 0, or -errno when the supervisor could not do it; then the call fails, too. */
isle_handler isle_attributes_change;
