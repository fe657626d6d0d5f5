/* Loads an Android library on an emulated arm64, as a phone's linker would, and computes with it: `load library.so`.
 *
 * A loader of its own, since no Android is here: it places the segments, applies the relocations and resolves what is asked of libc.so by
 * name. The ONNX Runtime of the op library is a table with the few functions that one lookup calls; the expected rows are computed here. */
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "ort_abi.h"

#define PAGE 16384u
enum { ROWS = 5, DIM = 64, BLOCK = 32, COUNT = 6 };

static int failed(const char *what)
{
    printf("failed: %s\n", what);
    exit(1);
}

/* What libc.so gives. */
static const struct {
    const char *name;
    uintptr_t address;
} libc[] = {{"__stack_chk_fail", (uintptr_t)abort}, {"calloc", (uintptr_t)calloc},     {"free", (uintptr_t)free},
            {"getauxval", (uintptr_t)getauxval},    {"malloc", (uintptr_t)malloc},     {"memcpy", (uintptr_t)memcpy},
            {"memset", (uintptr_t)memset},          {"snprintf", (uintptr_t)snprintf}, {"sscanf", (uintptr_t)sscanf},
            {"strcmp", (uintptr_t)strcmp}};

typedef struct Library {
    uint8_t *base;
    const Elf64_Sym *symbols;
    const char *names;
    size_t count;
} Library;

static uintptr_t address_of(const Library *library, const Elf64_Sym *symbol)
{
    const char *name = library->names + symbol->st_name;
    size_t at;

    if (symbol->st_shndx != SHN_UNDEF) {
        return (uintptr_t)(library->base + symbol->st_value);
    }
    for (at = 0; at < sizeof libc / sizeof libc[0]; ++at) {
        if (strcmp(libc[at].name, name) == 0) {
            return libc[at].address;
        }
    }
    return (uintptr_t)failed(name);
}

static uintptr_t find(const Library *library, const char *name)
{
    size_t at;

    for (at = 0; at < library->count; ++at) {
        if (library->symbols[at].st_shndx != SHN_UNDEF && strcmp(library->names + library->symbols[at].st_name, name) == 0) {
            return address_of(library, &library->symbols[at]);
        }
    }
    return 0;
}

static void relocate(const Library *library, const Elf64_Rela *entries, size_t bytes)
{
    size_t at;

    for (at = 0; at < bytes / sizeof *entries; ++at) {
        uintptr_t *place = (uintptr_t *)(void *)(library->base + entries[at].r_offset);

        switch (ELF64_R_TYPE(entries[at].r_info)) {
        case R_AARCH64_RELATIVE: *place = (uintptr_t)library->base + (uintptr_t)entries[at].r_addend; break;
        case R_AARCH64_GLOB_DAT:
        case R_AARCH64_JUMP_SLOT:
        case R_AARCH64_ABS64:
            *place = address_of(library, &library->symbols[ELF64_R_SYM(entries[at].r_info)]) + (uintptr_t)entries[at].r_addend;
            break;
        default: failed("a kind of relocation that is not known");
        }
    }
}

static Library load(const char *path)
{
    FILE *file = fopen(path, "rb");
    static uint8_t content[1 << 20];
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)content;
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(const void *)(content + sizeof *header);
    const Elf64_Dyn *dynamic = NULL, *entry;
    const Elf64_Shdr *sections;
    uintptr_t tags[DT_JMPREL + 1] = {0};
    Library library;
    size_t at, size = 0, bytes;

    if (file == NULL || (bytes = fread(content, 1, sizeof content, file)) == 0 || bytes == sizeof content) {
        failed("the library cannot be read");
    }
    fclose(file);
    for (at = 0; at < header->e_phnum; ++at) {
        if (segments[at].p_type == PT_LOAD) {
            if (segments[at].p_align != PAGE || (segments[at].p_vaddr - segments[at].p_offset) % PAGE != 0) {
                failed("a segment is not aligned to 16 KB");
            }
            size = segments[at].p_vaddr + segments[at].p_memsz;
        }
    }
    library.base = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (library.base == MAP_FAILED) {
        failed("no memory");
    }
    for (at = 0; at < header->e_phnum; ++at) {
        if (segments[at].p_type == PT_LOAD) {
            memcpy(library.base + segments[at].p_vaddr, content + segments[at].p_offset, segments[at].p_filesz);
        } else if (segments[at].p_type == PT_DYNAMIC) {
            dynamic = (const Elf64_Dyn *)(void *)(library.base + segments[at].p_vaddr);
        }
    }
    for (entry = dynamic; entry != NULL && entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag > 0 && entry->d_tag <= DT_JMPREL) {
            tags[entry->d_tag] = entry->d_un.d_val;
        }
    }
    library.symbols = (const Elf64_Sym *)(void *)(library.base + tags[DT_SYMTAB]);
    library.names = (const char *)library.base + tags[DT_STRTAB];
    library.count = 0;
    sections = (const Elf64_Shdr *)(const void *)(content + header->e_shoff);
    for (at = 0; at < header->e_shnum; ++at) {
        if (sections[at].sh_type == SHT_DYNSYM) {
            library.count = sections[at].sh_size / sizeof(Elf64_Sym);
        }
    }
    if (strcmp(library.names + tags[DT_NEEDED], "libc.so") != 0) {
        failed("it needs another library");
    }
    relocate(&library, (const Elf64_Rela *)(void *)(library.base + tags[DT_RELA]), tags[DT_RELASZ]);
    relocate(&library, (const Elf64_Rela *)(void *)(library.base + tags[DT_JMPREL]), tags[DT_PLTRELSZ]);
    __builtin___clear_cache((char *)library.base, (char *)library.base + size);
    return library;
}

/* ONNX Runtime, as far as one lookup goes. */
struct OrtStatus {
    char text[200];
};
struct OrtValue {
    int type;
    size_t rank;
    int64_t dims[2];
    void *data;
};

static struct OrtStatus status;
static const OrtCustomOp *lookup;
static struct OrtValue values[4];

static OrtStatus *create_status(int code, const char *message)
{
    (void)code;
    snprintf(status.text, sizeof status.text, "%s", message);
    return &status;
}

static OrtStatus *create_domain(const char *name, OrtCustomOpDomain **domain)
{
    *domain = (OrtCustomOpDomain *)(uintptr_t)name;
    return NULL;
}

static OrtStatus *domain_add(OrtCustomOpDomain *domain, const struct OrtCustomOp *op)
{
    (void)domain;
    lookup = strcmp(op->name(op), "QuantizedLookup4") == 0 ? op : lookup;
    return NULL;
}

static OrtStatus *add_domain(OrtSessionOptions *options, OrtCustomOpDomain *domain)
{
    (void)options;
    return strcmp((const char *)domain, "edgeemb") == 0 ? NULL : &status;
}

static OrtStatus *attribute(const OrtKernelInfo *info, const char *name, int64_t *value)
{
    (void)info;
    *value = strcmp(name, "dim") == 0 ? DIM : strcmp(name, "block") == 0 ? BLOCK : 1;
    return strcmp(name, "bits") == 0 ? &status : NULL;
}

static OrtStatus *input(const OrtKernelContext *context, size_t index, const OrtValue **value)
{
    (void)context;
    *value = &values[index];
    return NULL;
}

static OrtStatus *output(OrtKernelContext *context, size_t index, const int64_t *dims, size_t rank, OrtValue **value)
{
    (void)context;
    (void)index;
    *value = &values[3];
    return rank == 2 && dims[0] == COUNT && dims[1] == DIM ? NULL : &status;
}

static OrtStatus *type_and_shape(const OrtValue *value, OrtTensorTypeAndShapeInfo **info)
{
    *info = (OrtTensorTypeAndShapeInfo *)(uintptr_t)value;
    return NULL;
}

static OrtStatus *element_type(const OrtTensorTypeAndShapeInfo *info, int *type)
{
    *type = ((const struct OrtValue *)(const void *)info)->type;
    return NULL;
}

static OrtStatus *rank_of(const OrtTensorTypeAndShapeInfo *info, size_t *rank)
{
    *rank = ((const struct OrtValue *)(const void *)info)->rank;
    return NULL;
}

static OrtStatus *dimensions(const OrtTensorTypeAndShapeInfo *info, int64_t *dims, size_t rank)
{
    memcpy(dims, ((const struct OrtValue *)(const void *)info)->dims, rank * sizeof *dims);
    return NULL;
}

static OrtStatus *tensor_data(OrtValue *value, void **data)
{
    *data = value->data;
    return NULL;
}

static void release(void *anything)
{
    (void)anything;
}

static void (*api[300])(void);

static OrtApi *get_api(uint32_t version)
{
    return version == ORT_ABI_VERSION ? (OrtApi *)(void *)api : NULL;
}

static const char *version(void)
{
    return "1.16.0";
}

static void compute(OrtStatus *(*registration)(OrtSessionOptions *options, const OrtApiBase *base))
{
    static const OrtApiBase base = {get_api, version};
    static uint8_t codes[ROWS][DIM / 2];
    static float scales[ROWS][DIM / BLOCK], rows[COUNT][DIM];
    static int64_t ids[COUNT] = {4, 0, 2, 2, 1, 3};
    void *kernel = NULL;
    size_t row, column;

    for (row = 0; row < ROWS; ++row) {
        for (column = 0; column < DIM / 2; ++column) {
            codes[row][column] = (uint8_t)(row * 73 + column * 41 + 7);
        }
        scales[row][0] = 0.25f * (float)(row + 1);
        scales[row][1] = 0.5f;
    }
    values[0] = (struct OrtValue){ORT_INT64, 1, {COUNT, 0}, ids};
    values[1] = (struct OrtValue){ORT_UINT8, 2, {ROWS, DIM / 2}, codes};
    values[2] = (struct OrtValue){ORT_FLOAT, 2, {ROWS, DIM / BLOCK}, scales};
    values[3] = (struct OrtValue){ORT_FLOAT, 2, {COUNT, DIM}, rows};
    api[SLOT_CREATE_STATUS] = (void (*)(void))create_status;
    api[SLOT_CREATE_DOMAIN] = (void (*)(void))create_domain;
    api[SLOT_DOMAIN_ADD] = (void (*)(void))domain_add;
    api[SLOT_ADD_DOMAIN] = (void (*)(void))add_domain;
    api[SLOT_TENSOR_DATA] = (void (*)(void))tensor_data;
    api[SLOT_ELEMENT_TYPE] = (void (*)(void))element_type;
    api[SLOT_RANK] = (void (*)(void))rank_of;
    api[SLOT_DIMENSIONS] = (void (*)(void))dimensions;
    api[SLOT_TYPE_AND_SHAPE] = (void (*)(void))type_and_shape;
    api[SLOT_ATTRIBUTE_INT] = (void (*)(void))attribute;
    api[SLOT_INPUT] = (void (*)(void))input;
    api[SLOT_OUTPUT] = (void (*)(void))output;
    api[SLOT_RELEASE_STATUS] = (void (*)(void))release;
    api[SLOT_RELEASE_TYPE_AND_SHAPE] = (void (*)(void))release;
    if (registration(NULL, &base) != NULL || lookup == NULL) {
        failed("the ops were not registered");
    }
    if (lookup->create(lookup, (OrtApi *)(void *)api, NULL, &kernel) != NULL || lookup->run(kernel, NULL) != NULL) {
        failed(status.text);
    }
    for (row = 0; row < COUNT; ++row) {
        for (column = 0; column < DIM; ++column) {
            const uint8_t byte = codes[ids[row]][column % (DIM / 2)];
            const int code = column < DIM / 2 ? byte & 15 : byte >> 4;

            if (rows[row][column] != (float)(code - 8) * scales[ids[row]][column / BLOCK]) {
                failed("a row is wrong");
            }
        }
    }
    ids[1] = ROWS;
    if (lookup->run(kernel, NULL) != &status || strstr(status.text, "is outside [0, 5)") == NULL) {
        failed("an id outside of the table was taken");
    }
    lookup->destroy(kernel);
    printf("computed %d rows\n", COUNT);
}

int main(int count, char **arguments)
{
    const Library library = load(count > 1 ? arguments[1] : "");
    const uintptr_t ops = find(&library, "RegisterCustomOps");
    const uintptr_t create = find(&library, "Java_edgeemb_LookupDelegate_create");
    const uintptr_t destroy = find(&library, "Java_edgeemb_LookupDelegate_destroy");

    if (ops != 0) {
        compute((OrtStatus * (*)(OrtSessionOptions *options, const OrtApiBase *base)) ops);
    } else if (create != 0 && destroy != 0) {
        const int64_t delegate = ((int64_t (*)(void *, void *))create)(NULL, NULL);

        if (delegate == 0) {
            failed("there is no delegate");
        }
        ((void (*)(void *, void *, int64_t))destroy)(NULL, NULL, delegate);
        printf("made a delegate\n");
    } else {
        failed("it has none of the functions");
    }
    return 0;
}
