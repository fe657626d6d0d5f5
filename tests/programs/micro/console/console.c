/* A C library of two functions for firmware that says what it finds. */
#include <stdarg.h>

#include "semihosting.h"
#include "stdio.h"
#include "string.h"

enum { SEMIHOSTING_WRITE0 = 0x04, MOST_BYTES = 256 };

/* The simulator watches this address. */
__attribute__((used)) void eem_mark(void)
{
}

int memcmp(const void *left, const void *right, size_t size)
{
    const uint8_t *a = left, *b = right;

    for (; size != 0; --size, ++a, ++b) {
        if (*a != *b) {
            return *a < *b ? -1 : 1;
        }
    }
    return 0;
}

/* Takes %u and %d. */
int printf(const char *format, ...)
{
    char text[MOST_BYTES], digits[12];
    int length = 0, count;
    va_list values;

    va_start(values, format);
    for (; *format != 0 && length < MOST_BYTES - 16; ++format) {
        unsigned number;

        if (*format != '%') {
            text[length++] = *format;
            continue;
        }
        ++format;
        number = va_arg(values, unsigned);
        if (*format == 'd' && (int)number < 0) {
            text[length++] = '-';
            number = 0u - number;
        }
        for (count = 0; count == 0 || number != 0; number /= 10u) {
            digits[count++] = (char)('0' + number % 10u);
        }
        while (count != 0) {
            text[length++] = digits[--count];
        }
    }
    va_end(values);
    text[length] = 0;
    semihosting(SEMIHOSTING_WRITE0, text);
    return length;
}
