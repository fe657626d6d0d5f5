/* What Linux tells about cores, clocks, temperatures and memory. Whatever cannot be read is left out of the report. */
#include "runner.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CPUS "/sys/devices/system/cpu"
#define ZONES "/sys/class/thermal"

/* The first line of a file without its end; 0 if it cannot be read. */
static int read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "r");
    int read;

    if (file == NULL) {
        return 0;
    }
    read = fgets(line, size, file) != NULL;
    fclose(file);
    if (read) {
        line[strcspn(line, "\r\n")] = 0;
    }
    return read && line[0] != 0;
}

/* The number in a file; -1 if it cannot be read. */
static int64_t read_number(const char *path)
{
    char line[64], *end;
    long long value;

    if (!read_line(path, line, sizeof line)) {
        return -1;
    }
    value = strtoll(line, &end, 10);
    return end == line ? -1 : value;
}

static int64_t clock_of(int cpu, const char *what)
{
    char path[128];

    snprintf(path, sizeof path, CPUS "/cpu%d/cpufreq/%s", cpu, what);
    return read_number(path);
}

static int is_core(int cpu)
{
    char path[64];

    snprintf(path, sizeof path, CPUS "/cpu%d", cpu);
    return access(path, F_OK) == 0;
}

void use_cores(const char *which)
{
    const int big = strcmp(which, "big") == 0;
    int64_t clock, wanted = -1, other = -1;
    cpu_set_t mine, chosen;
    int cpu;

    if (strcmp(which, "all") == 0) {
        return;
    }
    if (sched_getaffinity(0, sizeof mine, &mine) != 0) {
        fail("the cores of this process cannot be read");
    }
    for (cpu = 0; cpu < MOST_CPUS; ++cpu) {
        clock = CPU_ISSET(cpu, &mine) ? clock_of(cpu, "cpuinfo_max_freq") : -1;
        if (clock > 0 && (wanted < 0 || (big ? clock > wanted : clock < wanted))) {
            wanted = clock;
        }
        if (clock > 0 && (other < 0 || (big ? clock < other : clock > other))) {
            other = clock;
        }
    }
    if (wanted < 0 || wanted == other) {
        fail("%s: use --cores all", wanted < 0 ? "the cores do not tell their maximal clock" : "all cores have the same maximal clock");
    }
    CPU_ZERO(&chosen);
    for (cpu = 0; cpu < MOST_CPUS; ++cpu) {
        if (CPU_ISSET(cpu, &mine) && clock_of(cpu, "cpuinfo_max_freq") == wanted) {
            CPU_SET(cpu, &chosen);
        }
    }
    if (sched_setaffinity(0, sizeof chosen, &chosen) != 0) {
        fail("the system does not let a program choose its cores: use --cores all");
    }
}

void write_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != 0; ++text) {
        const unsigned char letter = (unsigned char)*text;

        if (letter < 32 || letter > 126 || letter == '"' || letter == '\\') {
            fprintf(out, "\\u%04x", letter);
        } else {
            fputc(letter, out);
        }
    }
    fputc('"', out);
}

void write_cores(FILE *out)
{
    cpu_set_t mine;
    const char *between = "";
    int cpu;

    fputs("\"cores\": [", out);
    for (cpu = 0; cpu < MOST_CPUS; ++cpu) {
        if (is_core(cpu)) {
            fprintf(out, "%s{\"cpu\": %d, \"max_khz\": %lld}", between, cpu, (long long)clock_of(cpu, "cpuinfo_max_freq"));
            between = ", ";
        }
    }
    fputs("], \"used\": [", out);
    between = "";
    if (sched_getaffinity(0, sizeof mine, &mine) == 0) {
        for (cpu = 0; cpu < MOST_CPUS; ++cpu) {
            if (CPU_ISSET(cpu, &mine)) {
                fprintf(out, "%s%d", between, cpu);
                between = ", ";
            }
        }
    }
    fputs("]", out);
}

static void write_clocks(FILE *out)
{
    const char *between = "";
    char path[128], governor[64];
    int cpu;

    fputs("\"clocks\": [", out);
    for (cpu = 0; cpu < MOST_CPUS; ++cpu) {
        const int64_t clock = is_core(cpu) ? clock_of(cpu, "scaling_cur_freq") : -1;

        snprintf(path, sizeof path, CPUS "/cpu%d/cpufreq/scaling_governor", cpu);
        if (clock > 0) {
            fprintf(out, "%s{\"cpu\": %d, \"khz\": %lld, \"governor\": ", between, cpu, (long long)clock);
            write_string(out, read_line(path, governor, sizeof governor) ? governor : "");
            fputs("}", out);
            between = ", ";
        }
    }
    fputs("]", out);
}

static void write_zones(FILE *out)
{
    DIR *folder = opendir(ZONES);
    const char *between = "";
    const struct dirent *entry;
    char path[320], type[64];

    fputs("\"zones\": [", out);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        int64_t value;

        if (strncmp(entry->d_name, "thermal_zone", 12) != 0) {
            continue;
        }
        snprintf(path, sizeof path, ZONES "/%s/temp", entry->d_name);
        value = read_number(path);
        snprintf(path, sizeof path, ZONES "/%s/type", entry->d_name);
        if (value > 0 && read_line(path, type, sizeof type)) {
            fprintf(out, "%s{\"type\": ", between);
            write_string(out, type);
            fprintf(out, ", \"millicelsius\": %lld}", (long long)value);
            between = ", ";
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    fputs("]", out);
}

void write_conditions(FILE *out, const char *name)
{
    fprintf(out, "\"%s\": {", name);
    write_clocks(out);
    fputs(", ", out);
    write_zones(out);
    fputs("}", out);
}

/* Bytes behind "name:" in a file of /proc that counts in kB; -1 if it is not there. */
static int64_t kilobytes(const char *path, const char *name)
{
    FILE *file = fopen(path, "r");
    const size_t width = strlen(name);
    int64_t found = -1;
    char line[256];

    while (file != NULL && found < 0 && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, width) == 0 && line[width] == ':') {
            found = 1024 * strtoll(line + width + 1, NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

memory_reading read_memory(void)
{
    const char *rollup = "/proc/self/smaps_rollup";
    memory_reading reading;

    reading.rss = kilobytes(rollup, "Rss");
    reading.anonymous = kilobytes(rollup, "Anonymous");
    reading.pss = kilobytes(rollup, "Pss");
    reading.peak = kilobytes("/proc/self/status", "VmHWM");
    if (reading.rss < 0 || reading.anonymous < 0) {
        reading.rss = kilobytes("/proc/self/status", "VmRSS");
        reading.anonymous = kilobytes("/proc/self/status", "RssAnon");
    }
    return reading;
}

int reset_peak(void)
{
    const int file = open("/proc/self/clear_refs", O_WRONLY);
    const int done = file >= 0 && write(file, "5", 1) == 1;

    if (file >= 0) {
        close(file);
    }
    return done;
}

/* Pages of a file that are in the page cache. */
static int64_t count_resident(int file, size_t bytes, size_t page)
{
    const size_t pages = (bytes + page - 1) / page;
    unsigned char *states = malloc(pages + 1);
    void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0);
    int64_t count = 0;
    size_t at;

    if (states == NULL || map == MAP_FAILED || mincore(map, bytes, states) != 0) {
        count = (int64_t)pages; /* unknown counts as resident */
    } else {
        for (at = 0; at < pages; ++at) {
            count += states[at] & 1;
        }
    }
    if (map != MAP_FAILED) {
        munmap(map, bytes);
    }
    free(states);
    return count;
}

void drop_files(const char *paths, int64_t *pages, int64_t *resident)
{
    const size_t page = (size_t)getpagesize();
    char path[512];

    *pages = *resident = 0;
    while (*paths != 0) {
        const size_t width = strcspn(paths, ",");
        struct stat status;
        int file;

        if (width >= sizeof path) {
            fail("a path of %u letters is too long", (unsigned)width);
        }
        memcpy(path, paths, width);
        path[width] = 0;
        paths += width + (paths[width] == ',');
        file = open(path, O_RDONLY);
        if (file < 0 || fstat(file, &status) != 0) {
            fail("%s cannot be opened", path);
        }
        /* Only pages that are on storage can be dropped. */
        (void)fsync(file);
        (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        if (status.st_size > 0) {
            *pages += (int64_t)(((size_t)status.st_size + page - 1) / page);
            *resident += count_resident(file, (size_t)status.st_size, page);
        }
        close(file);
    }
}
