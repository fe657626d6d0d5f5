/* What `example.c` needs of a C library, beside what startup.c has. */
#ifndef CONSOLE_STRING_H
#define CONSOLE_STRING_H

#include <stddef.h>

int memcmp(const void *left, const void *right, size_t size);
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

#endif
