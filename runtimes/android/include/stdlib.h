#ifndef EDGEEMB_ANDROID_STDLIB_H
#define EDGEEMB_ANDROID_STDLIB_H

#include <stddef.h>

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void free(void *memory);

#endif
