/* A QEMU plugin that counts executed instructions, and at each mark writes the count so far.
 *
 *   -plugin count.so,out=FILE[,mark=ADDRESS][,getpgid=NUMBER][,limit=INSTRUCTIONS][,memory=on][,cycles=3|4]
 *
 * A mark is an execution of an address, or, where QEMU runs a program of Linux for 64-bit Arm, its system call getpgid(NUMBER), which
 * changes nothing. Each virtual CPU, which is a thread there, has a count of its own: a mark writes that of the thread that makes it.
 *
 * FILE gets a line "mark INSTRUCTIONS READ WRITTEN LOW HIGH" per mark, the bytes only with memory=on, the cycles only with cycles=3 or 4,
 * and at the end "end ..." or, past the limit, "limit PC": QEMU then exits with 9. Whole translation blocks are counted when they are
 * entered; on bare metal without interrupts a block that is entered is left at its end, unless it faults. Debian ships the plugin interface
 * without its header, so that what is used of it is declared here: QEMU documentation, "QEMU TCG Plugins". */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cycles.h"

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { CALLBACK_NO_REGISTERS = 0, MEMORY_READ_AND_WRITE = 3 };
enum { GETPGID = 155 }; /* linux/include/uapi/asm-generic/unistd.h */
enum { MOST_CPUS = 1024 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*callback)(unsigned, void *), int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(
    struct qemu_plugin_insn *instruction, void (*callback)(unsigned, qemu_plugin_meminfo_t, uint64_t, void *), int flags, int which,
    void *data);
void qemu_plugin_register_vcpu_syscall_cb(
    qemu_plugin_id_t id,
    void (*callback)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

typedef struct block {
    uint64_t address;
    uint32_t instructions;
    uint32_t marked; /* 1 + the place of the marked instruction, or 0 */
    uint32_t low, high;
} block;

static uint64_t mark_address, marking_id, limit = UINT64_MAX, bytes_read, bytes_written, low, high;
static uint64_t executed[MOST_CPUS];
static int count_memory, core;
static FILE *out;

static void write_line(const char *word, uint64_t instructions)
{
    fprintf(
        out, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", word, instructions, bytes_read, bytes_written, low, high);
}

static void on_block(unsigned cpu, void *data)
{
    const block *entered = data;
    uint64_t *const count = executed + cpu % MOST_CPUS;

    if (entered->marked != 0) {
        write_line("mark", *count + entered->marked - 1);
    }
    *count += entered->instructions;
    low += entered->low;
    high += entered->high;
    if (*count > limit) {
        fprintf(out, "limit %" PRIu64 "\n", entered->address);
        fclose(out);
        _exit(9);
    }
}

static void on_system_call(
    qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t first, uint64_t second, uint64_t third, uint64_t fourth, uint64_t fifth,
    uint64_t sixth, uint64_t seventh, uint64_t eighth)
{
    (void)id, (void)second, (void)third, (void)fourth, (void)fifth, (void)sixth, (void)seventh, (void)eighth;
    if (number == GETPGID && first == marking_id) {
        write_line("mark", executed[cpu % MOST_CPUS]);
        fflush(out);
    }
}

static void on_memory(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)cpu;
    (void)address;
    (void)data;
    *(qemu_plugin_mem_is_store(info) ? &bytes_written : &bytes_read) += 1u << qemu_plugin_mem_size_shift(info);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *translated)
{
    block *entry = calloc(1, sizeof *entry);
    const size_t count = qemu_plugin_tb_n_insns(translated);
    size_t at;

    (void)id;
    for (at = 0; at < count; ++at) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translated, at);
        const uint64_t address = qemu_plugin_insn_vaddr(instruction);

        if (at == 0) {
            entry->address = address;
        }
        if (address == mark_address) {
            entry->marked = (uint32_t)at + 1;
        }
        if (core != 0) {
            const cycle_range range = instruction_cycles(qemu_plugin_insn_data(instruction), qemu_plugin_insn_size(instruction), core);

            entry->low += range.low;
            entry->high += range.high;
        }
        if (count_memory) {
            qemu_plugin_register_vcpu_mem_cb(instruction, on_memory, CALLBACK_NO_REGISTERS, MEMORY_READ_AND_WRITE, NULL);
        }
    }
    entry->instructions = (uint32_t)count;
    qemu_plugin_register_vcpu_tb_exec_cb(translated, on_block, CALLBACK_NO_REGISTERS, entry);
}

static void on_exit_of_qemu(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    write_line("end", executed[0]);
    fclose(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    int at;

    (void)info;
    for (at = 0; at < argc; ++at) {
        const char *value = strchr(argv[at], '=');

        if (value == NULL) {
            return -1;
        }
        ++value;
        if (strncmp(argv[at], "mark=", 5) == 0) {
            mark_address = strtoull(value, NULL, 0);
        } else if (strncmp(argv[at], "getpgid=", 8) == 0) {
            marking_id = strtoull(value, NULL, 0);
        } else if (strncmp(argv[at], "limit=", 6) == 0) {
            limit = strtoull(value, NULL, 0);
        } else if (strncmp(argv[at], "memory=", 7) == 0) {
            count_memory = strcmp(value, "on") == 0;
        } else if (strncmp(argv[at], "cycles=", 7) == 0) {
            core = atoi(value);
        } else if (strncmp(argv[at], "out=", 4) == 0) {
            out = fopen(value, "w");
        }
    }
    if (out == NULL) {
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    if (marking_id != 0) {
        qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
    }
    qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
    return 0;
}
