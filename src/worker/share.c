#include "worker/share.h"

#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define HUGE ((size_t)2 << 20)

void adk__share_huge(const void *at, size_t size, int protection)
{
    size_t whole = (size + PAGE - 1) & ~(PAGE - 1);
    uint8_t *space = mmap(NULL, whole + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *copy;

    if (space == MAP_FAILED)
        return;
    copy = space + (((uintptr_t)at - (uintptr_t)space) & (HUGE - 1)); /* huge pages begin alike in both places */
    (void)madvise(copy, whole, MADV_HUGEPAGE);
    memcpy(copy, at, whole);
    if (mprotect(copy, whole, protection) == 0 &&
        mremap(copy, whole, whole, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(uintptr_t)at) == MAP_FAILED)
        _exit(EXIT_FAILURE); /* what was there may be gone */
    (void)munmap(space, whole + HUGE);
}

/* Linux copies the entries of a mapping that has pages of its own: one is enough, and this makes one of its pages that. */
void adk__share_mapped(const void *at, size_t size, int protection)
{
    uint8_t *page = (uint8_t *)((uintptr_t)at & ~(PAGE - 1)); /* NOLINT: an address */

    if (size == 0 || mprotect(page, PAGE, protection | PROT_WRITE) != 0)
        return;
    *(volatile uint8_t *)page = *(volatile uint8_t *)page;
    if (mprotect(page, PAGE, protection) != 0)
        _exit(EXIT_FAILURE); /* no run is to find code that it can write */
}

static int share_object(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    if (info->dlpi_addr == getauxval(AT_SYSINFO_EHDR)) /* the kernel's own, which it copies itself */
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const void *at = (const void *)(info->dlpi_addr + segment->p_vaddr); /* NOLINT: an address */
        int protection = PROT_READ | ((segment->p_flags & PF_X) != 0 ? PROT_EXEC : 0);

        if (segment->p_type == PT_LOAD && (segment->p_flags & (PF_R | PF_W)) == PF_R)
            adk__share_mapped(at, segment->p_memsz, protection);
    }
    return 0;
}

void adk__share_program(void)
{
    (void)dl_iterate_phdr(share_object, NULL);
}
