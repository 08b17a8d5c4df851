/*
 * The calls of symbols.txt as our objects see them: counted, failing on demand, and otherwise passed on. What they
 * allocate is kept in a table, so that a leak is seen in every build; blocks of others pass through free() untouched.
 */
#include "fault.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <uthash.h>

#define HERE __builtin_return_address(0)

/* ---- which call fails --------------------------------------------------------------------------------------------- */

static struct {
    atomic_bool armed;
    atomic_bool fired;
    atomic_uint calls;
    fault_kind kind;
    fault_mode mode;
    unsigned n;
    size_t size;
    void *_Atomic place; /* of the first that failed */
} plan;

void fault_arm(fault_kind kind, fault_mode mode, unsigned n, size_t size)
{
    plan.kind = kind;
    plan.mode = mode;
    plan.n = n;
    plan.size = size;
    atomic_store(&plan.calls, 0);
    atomic_store(&plan.fired, false);
    atomic_store(&plan.armed, true);
}

void fault_claim(void)
{
    fault_arm(FAULT_KINDS, FAULT_FROM, 0, 0);
    atomic_store(&plan.place, NULL);
    atomic_store(&plan.fired, true);
}

bool fault_disarm(void)
{
    atomic_store(&plan.armed, false);
    return atomic_load(&plan.fired);
}

bool fault_fired(void)
{
    return atomic_load(&plan.armed) && atomic_load(&plan.fired);
}

static bool fails(fault_kind kind, size_t size, void *place)
{
    unsigned call;

    if (!atomic_load(&plan.armed) || plan.kind != kind || size < plan.size)
        return false;
    call = atomic_fetch_add(&plan.calls, 1) + 1;
    if (call < plan.n || (plan.mode == FAULT_ONCE && call > plan.n))
        return false;
    if (!atomic_exchange(&plan.fired, true))
        atomic_store(&plan.place, place);
    return true;
}

static bool fails_with(fault_kind kind, void *place, int error)
{
    if (!fails(kind, SIZE_MAX, place))
        return false;
    errno = error;
    return true;
}

/* ---- what is held ------------------------------------------------------------------------------------------------- */

struct block {
    void *address;
    size_t size;
    uint64_t number;
    void *place;
    UT_hash_handle hh;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks;
static size_t block_bytes;
static uint64_t numbers;
static atomic_size_t mappings;

static void enter(void *address, size_t size, void *place)
{
    struct block *block = malloc(sizeof(*block));

    if (block == NULL)
        abort();
    *block = (struct block){.address = address, .size = size, .number = ++numbers, .place = place};
    HASH_ADD_PTR(blocks, address, block);
    block_bytes += size;
}

static struct block *find(void *address)
{
    struct block *block;

    HASH_FIND_PTR(blocks, &address, block);
    return block;
}

/* NULL: it is not ours. */
static void leave(struct block *block)
{
    if (block == NULL)
        return;
    block_bytes -= block->size;
    HASH_DEL(blocks, block);
    free(block);
}

static void *keep(void *address, size_t size, void *place)
{
    if (address == NULL)
        return NULL;
    (void)pthread_mutex_lock(&mutex);
    enter(address, size, place);
    (void)pthread_mutex_unlock(&mutex);
    return address;
}

static unsigned count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        (void)closedir(dir);
    return count;
}

fault_holdings fault_count(void)
{
    fault_holdings holdings;

    (void)pthread_mutex_lock(&mutex);
    holdings.blocks = HASH_COUNT(blocks);
    holdings.bytes = block_bytes;
    (void)pthread_mutex_unlock(&mutex);
    holdings.mappings = atomic_load(&mappings);
    holdings.descriptors = count_descriptors();
    return holdings;
}

uint64_t fault_mark(void)
{
    uint64_t mark;

    (void)pthread_mutex_lock(&mutex);
    mark = numbers;
    (void)pthread_mutex_unlock(&mutex);
    return mark;
}

/* As program(+offset), for addr2line. */
static void print_place(void *place)
{
    char **names = backtrace_symbols(&place, 1);

    print_message("  at %s\n", names == NULL ? "?" : names[0]);
    free(names);
}

void fault_print_blocks(uint64_t mark)
{
    struct block *block;
    struct block *next;
    unsigned shown = 0;

    (void)pthread_mutex_lock(&mutex);
    HASH_ITER(hh, blocks, block, next)
    {
        if (block->number <= mark || shown++ >= 8)
            continue;
        print_message("  %zu bytes are left\n", block->size);
        print_place(block->place);
    }
    (void)pthread_mutex_unlock(&mutex);
}

void fault_print_place(void)
{
    void *place = atomic_load(&plan.place);

    if (place != NULL)
        print_place(place);
}

/* ---- memory ------------------------------------------------------------------------------------------------------- */

static bool fails_memory(size_t size, void *place)
{
    if (!fails(FAULT_MEMORY, size, place))
        return false;
    errno = ENOMEM;
    return true;
}

void *adk_fault_malloc(size_t size)
{
    return fails_memory(size, HERE) ? NULL : keep(malloc(size), size, HERE);
}

void *adk_fault_calloc(size_t count, size_t size);
void *adk_fault_calloc(size_t count, size_t size)
{
    return fails_memory(count * size, HERE) ? NULL : keep(calloc(count, size), count * size, HERE);
}

static void *move(void *block, size_t size, void *place)
{
    struct block *old;
    void *moved;

    if (fails_memory(size, place))
        return NULL;
    (void)pthread_mutex_lock(&mutex); /* over the call: its old address is anybody's as soon as it is free */
    old = find(block);
    moved = realloc(block, size);
    if (moved != NULL) {
        leave(old);
        enter(moved, size, place);
    }
    (void)pthread_mutex_unlock(&mutex);
    return moved;
}

void *adk_fault_realloc(void *block, size_t size);
void *adk_fault_realloc(void *block, size_t size)
{
    return move(block, size, HERE);
}

void *adk_fault_reallocarray(void *block, size_t count, size_t size);
void *adk_fault_reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return move(block, bytes, HERE);
}

void adk_fault_free(void *block)
{
    int error = errno;

    if (block == NULL)
        return;
    (void)pthread_mutex_lock(&mutex);
    leave(find(block));
    (void)pthread_mutex_unlock(&mutex);
    free(block);
    errno = error;
}

char *adk_fault_strdup(const char *text);
char *adk_fault_strdup(const char *text)
{
    return fails_memory(strlen(text) + 1, HERE) ? NULL : keep(strdup(text), strlen(text) + 1, HERE);
}

char *adk_fault_strndup(const char *text, size_t size);
char *adk_fault_strndup(const char *text, size_t size)
{
    return fails_memory(size, HERE) ? NULL : keep(strndup(text, size), size, HERE);
}

/* What the caller gets on failure is undefined: something that freeing would not survive. */
static int print(char **ret_text, const char *format, va_list args, void *place) ADK_PRINTF(2, 0);

static int print(char **ret_text, const char *format, va_list args, void *place)
{
    int size;

    if (fails_memory(1, place)) {
        *ret_text = UNWRITTEN(char);
        return -1;
    }
    size = vasprintf(ret_text, format, args);
    if (size >= 0)
        (void)keep(*ret_text, (size_t)size + 1, place);
    return size;
}

int adk_fault_vasprintf(char **ret_text, const char *format, va_list args) ADK_PRINTF(2, 0);
int adk_fault_vasprintf(char **ret_text, const char *format, va_list args)
{
    return print(ret_text, format, args, HERE);
}

int adk_fault___vasprintf_chk(char **ret_text, int flag, const char *format, va_list args) ADK_PRINTF(3, 0);
int adk_fault___vasprintf_chk(char **ret_text, int flag, const char *format, va_list args)
{
    (void)flag;
    return print(ret_text, format, args, HERE);
}

int adk_fault_asprintf(char **ret_text, const char *format, ...) ADK_PRINTF(2, 3);
int adk_fault_asprintf(char **ret_text, const char *format, ...)
{
    va_list args;
    int size;

    va_start(args, format);
    size = print(ret_text, format, args, HERE);
    va_end(args);
    return size;
}

int adk_fault___asprintf_chk(char **ret_text, int flag, const char *format, ...) ADK_PRINTF(3, 4);
int adk_fault___asprintf_chk(char **ret_text, int flag, const char *format, ...)
{
    va_list args;
    int size;

    (void)flag;
    va_start(args, format);
    size = print(ret_text, format, args, HERE);
    va_end(args);
    return size;
}

int adk_fault_posix_memalign(void **ret_block, size_t alignment, size_t size);
int adk_fault_posix_memalign(void **ret_block, size_t alignment, size_t size)
{
    int failed = fails_memory(size, HERE) ? ENOMEM : posix_memalign(ret_block, alignment, size);

    if (!failed)
        (void)keep(*ret_block, size, HERE);
    return failed;
}

void *adk_fault_aligned_alloc(size_t alignment, size_t size);
void *adk_fault_aligned_alloc(size_t alignment, size_t size)
{
    return fails_memory(size, HERE) ? NULL : keep(aligned_alloc(alignment, size), size, HERE);
}

FILE *adk_fault_open_memstream(char **ret_text, size_t *ret_size);
FILE *adk_fault_open_memstream(char **ret_text, size_t *ret_size)
{
    return fails_memory(1, HERE) ? NULL : open_memstream(ret_text, ret_size);
}

DIR *adk_fault_fdopendir(int fd);
DIR *adk_fault_fdopendir(int fd)
{
    return fails_memory(1, HERE) ? NULL : fdopendir(fd);
}

/* ---- threads, processes ------------------------------------------------------------------------------------------- */

int adk_fault_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *data);
int adk_fault_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *data)
{
    return fails(FAULT_THREAD, SIZE_MAX, HERE) ? EAGAIN : pthread_create(ret_thread, attributes, fn, data);
}

int adk_fault_posix_spawn(pid_t *ret_pid, const char *path, const posix_spawn_file_actions_t *actions,
                          const posix_spawnattr_t *attributes, char *const argv[], char *const env[]);
int adk_fault_posix_spawn(pid_t *ret_pid, const char *path, const posix_spawn_file_actions_t *actions,
                          const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
    return fails(FAULT_SPAWN, SIZE_MAX, HERE) ? EAGAIN : posix_spawn(ret_pid, path, actions, attributes, argv, env);
}

int adk_fault_posix_spawnp(pid_t *ret_pid, const char *file, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const argv[], char *const env[]);
int adk_fault_posix_spawnp(pid_t *ret_pid, const char *file, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
    return fails(FAULT_SPAWN, SIZE_MAX, HERE) ? EAGAIN : posix_spawnp(ret_pid, file, actions, attributes, argv, env);
}

pid_t adk_fault_fork(void);
pid_t adk_fault_fork(void)
{
    return fails_with(FAULT_SPAWN, HERE, EAGAIN) ? -1 : fork();
}

/* ---- mappings ----------------------------------------------------------------------------------------------------- */

int adk_fault_memfd_create(const char *name, unsigned flags);
int adk_fault_memfd_create(const char *name, unsigned flags)
{
    return fails_with(FAULT_MEMFD, HERE, ENOMEM) ? -1 : memfd_create(name, flags);
}

void *adk_fault_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *adk_fault_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *mapped =
        fails_with(FAULT_MAPPING, HERE, ENOMEM) ? MAP_FAILED : mmap(address, size, protection, flags, fd, offset);

    if (mapped != MAP_FAILED)
        (void)atomic_fetch_add(&mappings, 1);
    return mapped;
}

int adk_fault_munmap(void *address, size_t size);
int adk_fault_munmap(void *address, size_t size)
{
    (void)atomic_fetch_sub(&mappings, 1);
    return munmap(address, size);
}

/* ---- descriptors -------------------------------------------------------------------------------------------------- */

#define NO_DESCRIPTOR fails_with(FAULT_DESCRIPTOR, HERE, EMFILE)

int adk_fault_eventfd(unsigned count, int flags);
int adk_fault_eventfd(unsigned count, int flags)
{
    return NO_DESCRIPTOR ? -1 : eventfd(count, flags);
}

int adk_fault_signalfd(int fd, const sigset_t *signals, int flags);
int adk_fault_signalfd(int fd, const sigset_t *signals, int flags)
{
    return NO_DESCRIPTOR ? -1 : signalfd(fd, signals, flags);
}

int adk_fault_timerfd_create(int clock, int flags);
int adk_fault_timerfd_create(int clock, int flags)
{
    return NO_DESCRIPTOR ? -1 : timerfd_create(clock, flags);
}

int adk_fault_epoll_create1(int flags);
int adk_fault_epoll_create1(int flags)
{
    return NO_DESCRIPTOR ? -1 : epoll_create1(flags);
}

int adk_fault_pidfd_open(pid_t pid, unsigned flags);
int adk_fault_pidfd_open(pid_t pid, unsigned flags)
{
    return NO_DESCRIPTOR ? -1 : pidfd_open(pid, flags);
}

int adk_fault_pipe(int fds[2]);
int adk_fault_pipe(int fds[2])
{
    return NO_DESCRIPTOR ? -1 : pipe(fds);
}

int adk_fault_pipe2(int fds[2], int flags);
int adk_fault_pipe2(int fds[2], int flags)
{
    return NO_DESCRIPTOR ? -1 : pipe2(fds, flags);
}

int adk_fault_socketpair(int domain, int type, int protocol, int fds[2]);
int adk_fault_socketpair(int domain, int type, int protocol, int fds[2])
{
    return NO_DESCRIPTOR ? -1 : socketpair(domain, type, protocol, fds);
}

int adk_fault_dup(int fd);
int adk_fault_dup(int fd)
{
    return NO_DESCRIPTOR ? -1 : dup(fd);
}

/* The third argument is read whether it was given or not: registers hold something in any case. */
static long third(va_list args)
{
    return va_arg(args, long);
}

int adk_fault_fcntl(int fd, int command, ...);
int adk_fault_fcntl(int fd, int command, ...)
{
    va_list args;
    long argument;

    va_start(args, command);
    argument = third(args);
    va_end(args);
    if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && NO_DESCRIPTOR)
        return -1;
    return fcntl(fd, command, argument);
}

int adk_fault_open(const char *path, int flags, ...);
int adk_fault_open(const char *path, int flags, ...)
{
    va_list args;
    long mode;

    va_start(args, flags);
    mode = third(args);
    va_end(args);
    return NO_DESCRIPTOR ? -1 : open(path, flags, (mode_t)mode);
}

int adk_fault___open_2(const char *path, int flags);
int adk_fault___open_2(const char *path, int flags)
{
    return NO_DESCRIPTOR ? -1 : open(path, flags, 0);
}

int adk_fault_openat(int dir, const char *path, int flags, ...);
int adk_fault_openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    long mode;

    va_start(args, flags);
    mode = third(args);
    va_end(args);
    return NO_DESCRIPTOR ? -1 : openat(dir, path, flags, (mode_t)mode);
}

int adk_fault___openat_2(int dir, const char *path, int flags);
int adk_fault___openat_2(int dir, const char *path, int flags)
{
    return NO_DESCRIPTOR ? -1 : openat(dir, path, flags, 0);
}

long adk_fault_syscall(long number, long a, long b, long c, long d, long e, long f);
long adk_fault_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    bool opens = number == SYS_openat2 || number == SYS_pidfd_open;

    return opens && NO_DESCRIPTOR ? -1 : syscall(number, a, b, c, d, e, f);
}

/* ---- locks and what belongs to threads ---------------------------------------------------------------------------- */

#define NO_PTHREAD fails(FAULT_PTHREAD, SIZE_MAX, HERE)

int adk_fault_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes);
int adk_fault_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes)
{
    return NO_PTHREAD ? ENOMEM : pthread_mutex_init(lock, attributes);
}

int adk_fault_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
int adk_fault_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    return NO_PTHREAD ? ENOMEM : pthread_cond_init(condition, attributes);
}

int adk_fault_pthread_attr_init(pthread_attr_t *attributes);
int adk_fault_pthread_attr_init(pthread_attr_t *attributes)
{
    return NO_PTHREAD ? ENOMEM : pthread_attr_init(attributes);
}

int adk_fault_pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size);
int adk_fault_pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size)
{
    return NO_PTHREAD ? EINVAL : pthread_attr_setstacksize(attributes, size);
}

int adk_fault_pthread_key_create(pthread_key_t *ret_key, void (*destroy)(void *));
int adk_fault_pthread_key_create(pthread_key_t *ret_key, void (*destroy)(void *))
{
    return NO_PTHREAD ? EAGAIN : pthread_key_create(ret_key, destroy);
}

int adk_fault_pthread_setspecific(pthread_key_t key, const void *value);
int adk_fault_pthread_setspecific(pthread_key_t key, const void *value)
{
    return NO_PTHREAD ? ENOMEM : pthread_setspecific(key, value);
}

int adk_fault_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int adk_fault_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return NO_PTHREAD ? ENOMEM : pthread_atfork(prepare, parent, child);
}

/* ---- the rest ----------------------------------------------------------------------------------------------------- */

ssize_t adk_fault_getrandom(void *buffer, size_t size, unsigned flags);
ssize_t adk_fault_getrandom(void *buffer, size_t size, unsigned flags)
{
    return fails_with(FAULT_RANDOM, HERE, ENOSYS) ? -1 : getrandom(buffer, size, flags);
}
