/* What `example.c` needs of a C library: a printf that says its text to the debugger's host. */
#ifndef CONSOLE_STDIO_H
#define CONSOLE_STDIO_H

int printf(const char *format, ...);

#endif
