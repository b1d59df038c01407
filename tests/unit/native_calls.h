/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's list of the calls of this architecture, for the look for calls without a row. */
#include <asm/unistd.h>
