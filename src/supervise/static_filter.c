/* SPDX-License-Identifier: Apache-2.0 */
#include "static_filter.h"
#include "filter_tables.h"
#include "trap.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static unsigned variant(unsigned flags)
{
	return (flags & ISLE_FILTER_NEST ? 1 : 0) | (flags & ISLE_FILTER_HOST_NET ? 2 : 0);
}

static bool allows(const struct sock_filter *instruction)
{
	return instruction->code == (BPF_RET | BPF_K) && instruction->k == SECCOMP_RET_ALLOW;
}

unsigned isle_static_filter_program(unsigned flags, unsigned traps, struct sock_filter *code)
{
	bool tells = (traps & ISLE_TRAP_READS) != 0;
	unsigned v = variant(flags);
	const struct sock_filter *from = tells ? telling_tables[v].code : filter_tables[v].code;
	unsigned count = tells ? telling_tables[v].count : filter_tables[v].count;

	assert(count + ISLE_TRAP_ROOM <= ISLE_FILTER_ROOM);
	memcpy(code, from, count * sizeof(*code));
	if (traps == 0)
		return count;
	for (unsigned i = 0; i < count; i++)
		if (allows(&code[i]))
			code[i] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, count - i - 1);
	return count + isle_trap_program(traps, code + count);
}

int isle_static_filter_answer(unsigned flags, const struct seccomp_data *data)
{
	unsigned v = variant(flags);
	uint32_t said = isle_filter_run(filter_tables[v].code, filter_tables[v].count, data);

	if (said == SECCOMP_RET_ALLOW)
		return 0;
	bool error = (said & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO && (said & SECCOMP_RET_DATA) != 0;
	return error ? (int)(said & SECCOMP_RET_DATA) : ENOSYS;
}

const char *isle_static_filter_name(int nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(filter_names); i++)
		if (filter_names[i].nr == nr)
			return filter_names[i].name;
	return NULL;
}

static bool holds(const struct sock_filter *instruction, uint32_t value)
{
	switch (BPF_OP(instruction->code)) {
	case BPF_JEQ:
		return value == instruction->k;
	case BPF_JGT:
		return value > instruction->k;
	case BPF_JGE:
		return value >= instruction->k;
	default:
		return (value & instruction->k) != 0;
	}
}

uint32_t isle_filter_run(const struct sock_filter *code, unsigned count, const struct seccomp_data *data)
{
	uint32_t value = 0;

	for (unsigned at = 0; at < count; at++) {
		const struct sock_filter *i = &code[at];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k > sizeof(*data) - sizeof(value))
				return SECCOMP_RET_KILL_PROCESS;
			memcpy(&value, (const char *)data + i->k, sizeof(value));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			value &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			if (i->k >= count - at)
				return SECCOMP_RET_KILL_PROCESS;
			at += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			at += holds(i, value) ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			return SECCOMP_RET_KILL_PROCESS;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}
