/* SPDX-License-Identifier: Apache-2.0 */
#include "interpreter.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HEAD = 1024, PARTS_MAX = 65536 / sizeof(Elf64_Phdr) };

/* "#!/bin/sh -e". head ends in NUL. */
static bool of_script(const char *head, char *path, size_t room)
{
	if (head[0] != '#' || head[1] != '!')
		return false;
	const char *start = head + 2 + strspn(head + 2, " \t");
	size_t length = strcspn(start, " \t\n");

	if (length == 0 || length >= room)
		return false;
	memcpy(path, start, length);
	path[length] = '\0';
	return true;
}

/* PT_INTERP; it need not lie in the head, nor need the table (patchelf moves both to the end). */
static bool of_elf(int fd, const char *head, size_t size, char *path, size_t room)
{
	Elf64_Ehdr elf;

	if (size < sizeof(elf))
		return false;
	memcpy(&elf, head, sizeof(elf));
	if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
	    elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum > PARTS_MAX || elf.e_phoff > INT64_MAX / 2)
		return false;
	for (unsigned i = 0; i < elf.e_phnum; i++) {
		Elf64_Phdr part;
		uint64_t at = elf.e_phoff + i * sizeof(part);

		if (at + sizeof(part) <= size)
			memcpy(&part, head + at, sizeof(part));
		else if (pread(fd, &part, sizeof(part), (off_t)at) != (ssize_t)sizeof(part))
			return false;
		if (part.p_type != PT_INTERP)
			continue;
		if (part.p_filesz < 2 || part.p_filesz > room || part.p_offset > INT64_MAX / 2 ||
		    pread(fd, path, part.p_filesz, (off_t)part.p_offset) != (ssize_t)part.p_filesz)
			return false;
		return path[0] != '\0' && path[part.p_filesz - 1] == '\0'; /* as the kernel wants it */
	}
	return false;
}

int isle_interpreter_of(int fd, char *path, size_t room)
{
	char head[HEAD + 1];
	ssize_t n = pread(fd, head, HEAD, 0);

	if (n < 0)
		return -errno;
	memset(head + n, 0, sizeof(head) - (size_t)n);
	return of_script(head, path, room) || of_elf(fd, head, (size_t)n, path, room);
}
