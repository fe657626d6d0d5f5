#ifndef EDGEEMB_ANDROID_STRING_H
#define EDGEEMB_ANDROID_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int strcmp(const char *first, const char *second);

#endif
