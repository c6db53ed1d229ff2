/*
 * The guest's first C code: from the tender's boot page to the C library's start.
 *
 * In: boot page and image table. Out: a call of musl's unpatched __libc_start_main with a stack block as Linux would have left
 * it: argument vector, environment, auxiliary vector. The block refers to the boot page's own strings; nothing is copied.
 */
#include <elf.h>
#include <stddef.h>

#include <unishare/platform.h>

const struct unishare_boot *unishare_boot_page;
const struct unishare_image_table *unishare_image;

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*loader)(void));

/* Fills the image table's unused slots, so that the C library's loop over constructors is the same in every image. */
void unishare_boot_nothing(void)
{
}

/* The C library's traditional hooks around constructors: start files define them elsewhere. */
void _init(void)
{
}

void _fini(void)
{
}

enum { AUXILIARY_PAIRS = 12 };

/* Put the addresses of `count` packed strings into `into`, and NULL behind them; the next free slot. */
static char **list_strings(char **into, const char *string, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        *into++ = (char *)string;
        while (*string++)
            ;
    }
    *into++ = NULL;
    return into;
}

static size_t *add_pair(size_t *into, size_t type, size_t value)
{
    into[0] = type;
    into[1] = value;
    return into + 2;
}

/* The auxiliary vector. The C library finds thread-local data through program headers: we show it the one that matters. */
static void write_auxiliary(size_t *into, const Elf64_Phdr *thread_local_header)
{
    if (thread_local_header) {
        into = add_pair(into, AT_PHDR, (size_t)thread_local_header);
        into = add_pair(into, AT_PHENT, sizeof *thread_local_header);
        into = add_pair(into, AT_PHNUM, 1);
    }
    into = add_pair(into, AT_PAGESZ, UNISHARE_PAGE_SIZE);
    into = add_pair(into, AT_RANDOM, (size_t)unishare_boot_page->random);
    into = add_pair(into, AT_UID, 0);
    into = add_pair(into, AT_EUID, 0);
    into = add_pair(into, AT_GID, 0);
    into = add_pair(into, AT_EGID, 0);
    into = add_pair(into, AT_SECURE, 0);
    add_pair(into, AT_NULL, 0);
}

_Noreturn void unishare_boot_enter(const struct unishare_boot *boot, const struct unishare_image_table *table)
{
    const Elf64_Phdr header = {
        .p_type = PT_TLS,
        .p_vaddr = table->tls_start,
        .p_filesz = table->tls_file_size,
        .p_memsz = table->tls_memory_size,
        .p_align = table->tls_alignment,
    };
    char *block[boot->argc + boot->envc + 2 + 2 * AUXILIARY_PAIRS];
    char **end;

    if (boot->magic != UNISHARE_ABI_MAGIC || boot->abi_version >> 16 != UNISHARE_ABI_VERSION >> 16
        || table->magic != UNISHARE_IMAGE_MAGIC)
        __builtin_trap();
    unishare_boot_page = boot;
    unishare_image = table;
    end = list_strings(block, (const char *)boot + boot->argv_offset, boot->argc);
    end = list_strings(end, (const char *)boot + boot->env_offset, boot->envc);
    write_auxiliary((size_t *)end, table->tls_memory_size ? &header : NULL);
    __libc_start_main((int (*)(int, char **, char **))table->main, (int)boot->argc, block, _init, _fini, NULL);
    __builtin_trap();
}
