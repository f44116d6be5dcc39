/* Strikes a program at the N-th of its system calls of some kinds: the call fails, or the process is
 * killed, signalled or stopped there. Loaded by LD_PRELOAD; what it is to do stands in the environment:
 *
 *   FAULT_CONTROL   a file of CONTROL_SIZE zeros, shared by all processes of a run: see `struct control`
 *   FAULT_PROGRAMS  names of executables, comma-separated; in others nothing is counted
 *   FAULT_UNDER     a directory; calls on what is elsewhere are not counted
 *   FAULT_CALLS     kinds of calls, comma-separated, as in `kinds`
 *   FAULT_AT        the number of the call that is struck, from 1; 0 counts only
 *   FAULT_LASTING   `1`: so is every call after it
 *   FAULT_ACT       `errno N`: it fails so · `signal N`: the process gets that signal first
 *                   `group N`: so does its group · `stop`: it waits until the `resume` of the control file is set
 *                   `half`: a write writes half · `jump N`: the clock is N seconds ahead
 *
 * Calls that the C library makes on its own behalf (of stdio, say) go past it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { OPEN, CREATE, READ, WRITE, RENAME, SYMLINK, LINK, MKDIR, FSYNC, UNLINK, CHMOD, CHOWN, STAT, READLINK,
            LIST, LOCK, TIMES, RESIZE, TRANSFER, SPAWN, THREAD, PIPE, CLOCK, KINDS };
static const char *const kinds[KINDS] = {
    "open", "create", "read", "write", "rename", "symlink", "link", "mkdir", "fsync", "unlink", "chmod", "chown",
    "stat", "readlink", "list", "lock", "times", "resize", "transfer", "spawn", "thread", "pipe", "clock"};

enum act { NOTHING, ERRNO, SIGNAL, GROUP, STOP, HALF, JUMP };

/* What the test reads and writes meanwhile. */
struct control {
  _Atomic uint64_t count;    /* of calls so far */
  _Atomic uint64_t struck;   /* how often it struck */
  _Atomic uint64_t resume;   /* set by the test: go on */
  char what[PATH_MAX + 512]; /* the first call struck: its kind, a space, its path */
};

static struct control *control;
static unsigned wanted;
static uint64_t at;
static int lasting, number;
static enum act act;
static char under[PATH_MAX];

static int is_listed(const char *list, const char *word) {
  size_t length = strlen(word);
  for (const char *p = list; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
    if (!strncmp(p, word, length) && (p[length] == ',' || !p[length])) return 1;
  return 0;
}

static const char *variable(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

static void parse_act(const char *text) {
  static const struct { const char *word; enum act act; } acts[] = {
      {"errno", ERRNO}, {"signal", SIGNAL}, {"group", GROUP}, {"stop", STOP}, {"half", HALF}, {"jump", JUMP}};
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
    if (!strncmp(text, acts[i].word, strlen(acts[i].word))) act = acts[i].act;
  const char *space = strchr(text, ' ');
  number = space ? atoi(space + 1) : 0;
}

__attribute__((constructor)) static void begin(void) {
  char self[PATH_MAX];
  ssize_t length = syscall(SYS_readlink, "/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) return;
  self[length] = 0;
  if (!is_listed(variable("FAULT_PROGRAMS"), strrchr(self, '/') + 1)) return;
  for (int kind = 0; kind < KINDS; kind++)
    if (is_listed(variable("FAULT_CALLS"), kinds[kind])) wanted |= 1u << kind;
  at = strtoull(variable("FAULT_AT"), NULL, 10);
  lasting = !strcmp(variable("FAULT_LASTING"), "1");
  parse_act(variable("FAULT_ACT"));
  strncpy(under, variable("FAULT_UNDER"), sizeof under - 1);
  int fd = syscall(SYS_openat, AT_FDCWD, variable("FAULT_CONTROL"), O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (shared != MAP_FAILED) control = shared;
}

/* The path of a descriptor, or of a name relative to one; what is no file has one that begins otherwise. */
static const char *path_at(int dir, const char *name, char *buffer) {
  if (name && (*name == '/' || dir == AT_FDCWD)) return name;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
  ssize_t length = syscall(SYS_readlink, link, buffer, PATH_MAX - 1);
  buffer[length > 0 ? length : 0] = 0;
  if (name && *name && length > 0) snprintf(buffer + length, PATH_MAX - length, "/%s", name);
  return buffer;
}

static int counts(int dir, const char *path) {
  int is_relative = dir == AT_FDCWD && *path != '/'; /* who is told of one works below `under` */
  return is_relative || !strncmp(path, under, strlen(under));
}

/* Whether the call of this kind is to fail; `errno` is set then. */
static int strikes(enum kind kind, int dir, const char *name) {
  if (!control || !(wanted & 1u << kind)) return 0;
  int before = errno;
  char buffer[PATH_MAX + 256];
  const char *path = dir == AT_FDCWD && !name ? "" : path_at(dir, name, buffer);
  errno = before;
  if (!counts(dir, path)) return 0;
  uint64_t n = atomic_fetch_add(&control->count, 1) + 1;
  if (!at || n < at || (n > at && !lasting)) return 0;
  if (!atomic_fetch_add(&control->struck, 1))
    snprintf(control->what, sizeof control->what, "%s %s", kinds[kind], path);
  switch (act) {
    case SIGNAL: syscall(SYS_kill, getpid(), number); return 0;
    case GROUP: syscall(SYS_kill, 0, number); return 0;
    case STOP:
      while (!atomic_load(&control->resume)) syscall(SYS_poll, NULL, 0, 1);
      return 0;
    case ERRNO: errno = number; return 1;
    case HALF: case JUMP: return 1;
    case NOTHING: break;
  }
  return 0;
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define WRAP(kind, dir, path, result, name, params, args) \
  result name params { \
    REAL(name); \
    if (strikes(kind, dir, path)) return (result)-1; \
    return real args; \
  }

static enum kind opens(int flags) { return flags & O_CREAT ? CREATE : OPEN; }

#define OPENS(name, dir, params, args) \
  int name params { \
    REAL(name); \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    if (strikes(opens(flags), dir, path)) return -1; \
    return real args; \
  }
OPENS(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENS(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENS(openat, fd, (int fd, const char *path, int flags, ...), (fd, path, flags, mode))
OPENS(openat64, fd, (int fd, const char *path, int flags, ...), (fd, path, flags, mode))

#define STREAM(name) \
  FILE *name(const char *path, const char *mode) { \
    REAL(name); \
    return strikes(*mode == 'r' ? OPEN : CREATE, AT_FDCWD, path) ? NULL : real(path, mode); \
  }
STREAM(fopen)
STREAM(fopen64)

DIR *opendir(const char *path) {
  REAL(opendir);
  return strikes(LIST, AT_FDCWD, path) ? NULL : real(path);
}
DIR *fdopendir(int fd) {
  REAL(fdopendir);
  return strikes(LIST, fd, NULL) ? NULL : real(fd);
}
struct dirent *readdir(DIR *dir) {
  REAL(readdir);
  return strikes(LIST, dirfd(dir), NULL) ? NULL : real(dir);
}
struct dirent64 *readdir64(DIR *dir) {
  REAL(readdir64);
  return strikes(LIST, dirfd(dir), NULL) ? NULL : real(dir);
}

WRAP(READ, fd, NULL, ssize_t, read, (int fd, void *to, size_t n), (fd, to, n))
WRAP(READ, fd, NULL, ssize_t, pread, (int fd, void *to, size_t n, off_t off), (fd, to, n, off))
WRAP(READ, fd, NULL, ssize_t, pread64, (int fd, void *to, size_t n, off64_t off), (fd, to, n, off))

ssize_t write(int fd, const void *from, size_t n) {
  REAL(write);
  if (!strikes(WRITE, fd, NULL)) return real(fd, from, n);
  return act == HALF ? real(fd, from, n > 1 ? n / 2 : n) : -1;
}
WRAP(TRANSFER, fd, NULL, ssize_t, writev, (int fd, const struct iovec *from, int n), (fd, from, n))
WRAP(TRANSFER, fd, NULL, ssize_t, pwrite, (int fd, const void *from, size_t n, off_t off), (fd, from, n, off))
WRAP(TRANSFER, fd, NULL, ssize_t, pwrite64, (int fd, const void *from, size_t n, off64_t off), (fd, from, n, off))
WRAP(TRANSFER, to, NULL, ssize_t, copy_file_range,
     (int from, off64_t *a, int to, off64_t *b, size_t n, unsigned flags), (from, a, to, b, n, flags))
ssize_t sendfile64(int to, int from, off64_t *off, size_t n);
WRAP(TRANSFER, to, NULL, ssize_t, sendfile64, (int to, int from, off64_t *off, size_t n), (to, from, off, n))

WRAP(RENAME, AT_FDCWD, from, int, rename, (const char *from, const char *to), (from, to))
WRAP(RENAME, a, from, int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(RENAME, a, from, int, renameat2, (int a, const char *from, int b, const char *to, unsigned f),
     (a, from, b, to, f))
WRAP(SYMLINK, AT_FDCWD, link, int, symlink, (const char *target, const char *link), (target, link))
WRAP(SYMLINK, dir, link, int, symlinkat, (const char *target, int dir, const char *link), (target, dir, link))
WRAP(LINK, AT_FDCWD, to, int, link, (const char *from, const char *to), (from, to))
WRAP(LINK, b, to, int, linkat, (int a, const char *from, int b, const char *to, int f), (a, from, b, to, f))
WRAP(MKDIR, AT_FDCWD, path, int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(MKDIR, dir, path, int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
WRAP(FSYNC, fd, NULL, int, fsync, (int fd), (fd))
WRAP(FSYNC, fd, NULL, int, fdatasync, (int fd), (fd))
WRAP(UNLINK, AT_FDCWD, path, int, unlink, (const char *path), (path))
WRAP(UNLINK, AT_FDCWD, path, int, rmdir, (const char *path), (path))
WRAP(UNLINK, dir, path, int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
WRAP(CHMOD, AT_FDCWD, path, int, chmod, (const char *path, mode_t mode), (path, mode))
WRAP(CHMOD, fd, NULL, int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(CHMOD, dir, path, int, fchmodat, (int dir, const char *path, mode_t mode, int f), (dir, path, mode, f))
WRAP(CHOWN, AT_FDCWD, path, int, chown, (const char *path, uid_t u, gid_t g), (path, u, g))
WRAP(CHOWN, AT_FDCWD, path, int, lchown, (const char *path, uid_t u, gid_t g), (path, u, g))
WRAP(CHOWN, fd, NULL, int, fchown, (int fd, uid_t u, gid_t g), (fd, u, g))
WRAP(STAT, AT_FDCWD, path, int, stat, (const char *path, struct stat *to), (path, to))
WRAP(STAT, AT_FDCWD, path, int, stat64, (const char *path, struct stat64 *to), (path, to))
WRAP(STAT, AT_FDCWD, path, int, lstat, (const char *path, struct stat *to), (path, to))
WRAP(STAT, AT_FDCWD, path, int, lstat64, (const char *path, struct stat64 *to), (path, to))
WRAP(STAT, fd, NULL, int, fstat, (int fd, struct stat *to), (fd, to))
WRAP(STAT, fd, NULL, int, fstat64, (int fd, struct stat64 *to), (fd, to))
WRAP(STAT, dir, path, int, fstatat64, (int dir, const char *path, struct stat64 *to, int f), (dir, path, to, f))
WRAP(STAT, dir, path, int, statx,
     (int dir, const char *restrict path, int f, unsigned mask, struct statx *restrict to), (dir, path, f, mask, to))
WRAP(STAT, AT_FDCWD, path, int, access, (const char *path, int mode), (path, mode))
WRAP(READLINK, AT_FDCWD, path, ssize_t, readlink, (const char *path, char *to, size_t n), (path, to, n))
char *realpath(const char *restrict path, char *restrict to) {
  REAL(realpath);
  return strikes(READLINK, AT_FDCWD, path) ? NULL : real(path, to);
}
WRAP(LOCK, fd, NULL, int, flock, (int fd, int how), (fd, how))
WRAP(TIMES, dir, path, int, utimensat, (int dir, const char *path, const struct timespec t[2], int f),
     (dir, path, t, f))
WRAP(TIMES, fd, NULL, int, futimens, (int fd, const struct timespec t[2]), (fd, t))
WRAP(RESIZE, fd, NULL, int, ftruncate, (int fd, off_t n), (fd, n))
WRAP(RESIZE, fd, NULL, int, ftruncate64, (int fd, off64_t n), (fd, n))

WRAP(SPAWN, AT_FDCWD, NULL, pid_t, fork, (void), ())
/* These two return the number instead of setting it. */
int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *a, const posix_spawnattr_t *b,
                 char *const argv[], char *const env[]) {
  REAL(posix_spawnp);
  return strikes(SPAWN, AT_FDCWD, NULL) ? errno : real(pid, file, a, b, argv, env);
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg) {
  REAL(pthread_create);
  return strikes(THREAD, AT_FDCWD, NULL) ? errno : real(thread, attr, run, arg);
}
WRAP(PIPE, AT_FDCWD, NULL, int, pipe2, (int fds[2], int flags), (fds, flags))

int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(clock_gettime);
  int result = real(clock, now);
  if (clock == CLOCK_REALTIME && strikes(CLOCK, AT_FDCWD, NULL)) now->tv_sec += number;
  return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  REAL(gettimeofday);
  int result = real(now, zone);
  if (strikes(CLOCK, AT_FDCWD, NULL)) now->tv_sec += number;
  return result;
}
time_t time(time_t *to) {
  REAL(time);
  time_t now = real(NULL);
  if (strikes(CLOCK, AT_FDCWD, NULL)) now += number;
  if (to) *to = now;
  return now;
}
