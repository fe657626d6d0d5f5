/* The first instructions of a program for Android's libc, as its loader wants them (bionic, crtbegin.c and libc_init_dynamic.cpp): the
 * stack as the kernel left it goes to __libc_init, which calls main and exits. There are no constructors here. */
typedef int (*main_function)(int count, char **arguments, char **environment);

int main(int count, char **arguments);
void __libc_init(void *stack, void (*at_exit)(void), main_function start, void *const *constructors) __attribute__((noreturn));
void edgeemb_start(void *stack) __attribute__((noreturn, used));

static int call_main(int count, char **arguments, char **environment)
{
    (void)environment;
    return main(count, arguments);
}

void edgeemb_start(void *stack)
{
    static void *const none[8];

    __libc_init(stack, 0, call_main, none);
}

#if defined(__aarch64__)
__asm__(".globl _start\n_start:\n    mov x29, #0\n    mov x30, #0\n    mov x0, sp\n    b edgeemb_start\n");
#elif defined(__x86_64__)
__asm__(".globl _start\n_start:\n    xor %ebp, %ebp\n    mov %rsp, %rdi\n    and $-16, %rsp\n    call edgeemb_start\n");
#else
#error "no runner for this processor"
#endif
