#ifndef EDGEEMB_ANDROID_STDIO_H
#define EDGEEMB_ANDROID_STDIO_H

#include <stddef.h>

int snprintf(char *text, size_t size, const char *format, ...);
int sscanf(const char *text, const char *format, ...);

#endif
