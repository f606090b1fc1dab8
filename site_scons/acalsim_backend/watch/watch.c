/* SPDX-License-Identifier: Apache-2.0 */
/* watch LIST COMMAND...: runs COMMAND, and writes to LIST which files it and its children asked
 * for.
 *
 * Its exit status is COMMAND's, or 128 + the signal that ended it. LIST has a record for each name,
 * ended by a zero byte: "WAYS MODE SIZE INODE MTIME_NS CTIME_NS /ABSOLUTE/NAME", as the file was
 * when it was first asked for (zeros: there was none), or "! REASON" for what the names do not
 * tell. WAYS are letters: r  opened for reading, or executed         x  executed s  only looked at
 * (stat, access)           w  made, changed or removed by COMMAND itself l  the same of a link
 * (lstat, readlink)    b  made by COMMAND before it asked in any other way
 *
 * The kernel hands each call of calls.h over before it runs, and then runs it as it is (seccomp's
 * user notification, Linux 5.5): about 3 us a call, no special rights, and no matter to debuggers.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "seen.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#error "this architecture's system calls are not known here"
#endif

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define WAKE_SYNCHRONOUSLY 1ul /* Linux 6.6; takes a third of the time */
#define FIRST_X32_CALL 0x40000000u
enum { LONGEST = PATH_MAX, GRACE_MS = 2000, FAILED = 125 };

/* --- The processes' side ----------------------------------------------------------------- */

#define ADD(...) code[length++] = (struct sock_filter)__VA_ARGS__

static int install_filter(void) {
    struct sock_filter code[2 * CALL_COUNT + 8];
    unsigned short length = 0;
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    ADD(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_X32_CALL, 0, 1));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    for (int i = 0; i < CALL_COUNT; i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALLS[i].number, 0, 1));
        ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    }
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog program = {length, code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                   &program);
}

/* Send a descriptor, or errno where there is none. */
static void send_listener(int link, int listener) {
    int status = listener < 0 ? errno : 0;
    char control[CMSG_SPACE(sizeof listener)] = {0};
    struct iovec content = {&status, sizeof status};
    struct msghdr message = {.msg_iov = &content, .msg_iovlen = 1};
    if (listener >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){CMSG_LEN(sizeof listener), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(header), &listener, sizeof listener);
    }
    if (sendmsg(link, &message, 0) < 0) _exit(FAILED);
}

static void run_command(int link, char **command) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int listener = install_filter();
    if (listener < 0 && errno == EACCES) { /* who is not root gives up setuid programs first */
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        listener = install_filter();
    }
    send_listener(link, listener);
    if (listener >= 0) close(listener);
    execvp(command[0], command);
    fprintf(stderr, "watch: %s: %s\n", command[0], strerror(errno));
    _exit(127);
}

/* --- What a system call asks for --------------------------------------------------------- */

/* Up to `size` bytes of another process's memory; those that could be read. */
static ssize_t peek(pid_t process, uint64_t address, void *into, size_t size) {
    struct iovec here = {into, size}, there = {(void *)(uintptr_t)address, size};
    return process_vm_readv(process, &here, 1, &there, 1, 0);
}

/* A zero-terminated string, page by page, as the next page may not be there. */
static bool peek_string(pid_t process, uint64_t address, char *into, size_t size) {
    size_t got = 0;
    while (got < size) {
        size_t step = 256 - (address + got) % 256;
        if (step > size - got) step = size - got;
        ssize_t read = peek(process, address + got, into + got, step);
        if (read <= 0) return false;
        if (memchr(into + got, 0, read)) return true;
        got += read;
    }
    errno = ENAMETOOLONG;
    return false;
}

/* Whether the name lies among what the kernel makes up, where nobody edits files. */
static bool is_made_up(const char *name) {
    static const char *const folders[] = {"/proc", "/sys", "/dev"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        size_t length = strlen(folders[i]);
        if (!strncmp(name, folders[i], length) && (name[length] == '/' || !name[length]))
            return strncmp(name, "/dev/shm/", 9);
    }
    return false;
}

/* Without doubled slashes, single dots and a slash at the end; `..` stays, as links may come before
 * it. */
static void tidy(char *name) {
    char *to = name;
    for (const char *from = name; *from;) {
        while (*from == '/') from++;
        size_t length = strcspn(from, "/");
        if (length && !(length == 1 && *from == '.')) {
            *to++ = '/';
            memmove(to, from, length);
            to += length;
        }
        from += length;
    }
    if (to == name) *to++ = '/';
    *to = 0;
}

/* The absolute form of a name that a process gave, or false where it named nothing. */
static bool absolute(pid_t process, int folder, const char *given, char *name) {
    if (!*given) return false;
    size_t length = 0;
    if (*given != '/') {
        char link[64];
        snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/%d/cwd" : "/proc/%d/fd/%d", process,
                 folder);
        ssize_t got = readlink(link, name, LONGEST);
        if (got <= 0) return false;
        length = got;
        name[length++] = '/';
    }
    strcpy(name + length, given);
    tidy(name);
    return true;
}

static int ways_of_open(uint64_t flags) {
    bool makes = flags & O_CREAT, empties = flags & O_TRUNC;
    if (flags & O_PATH) return flags & O_NOFOLLOW ? AS_LINK : LOOKED;
    int ways = (flags & O_ACCMODE) == O_WRONLY ? LOOKED : READ;
    if (makes || empties || (flags & O_ACCMODE) != O_RDONLY) ways |= WRITTEN;
    if (makes && (empties || flags & O_EXCL)) ways |= BORN;
    return ways;
}

static int ways_of(const struct seccomp_notif *request, const struct call *call) {
    uint64_t flags = request->data.args[call->flags];
    switch (call->kind) {
        case OPEN:
            return ways_of_open(flags);
        case OPEN_HOW: {
            struct open_how how = {0};
            peek(request->pid, flags, &how, sizeof how);
            return ways_of_open(how.flags);
        }
        case LOOK_LINK:
            return AS_LINK;
        case LOOK_FLAGS:
            return flags & AT_SYMLINK_NOFOLLOW ? AS_LINK : LOOKED;
        case EXECUTE:
            return READ | EXECUTED;
        case CHANGE:
            return WRITTEN;
        case REPLACE:
            return WRITTEN | BORN;
        default:
            return LOOKED;
    }
}

static void note_name(const char *name, int ways) {
    if (is_made_up(name)) return;
    seen(name, ways);
    if (ways & WRITTEN) { /* and so the names in its folder */
        char folder[LONGEST];
        size_t length = strrchr(name, '/') - name;
        snprintf(folder, sizeof folder, "%.*s", (int)(length ? length : 1), name);
        seen(folder, WRITTEN);
    }
}

static void note_address(const struct seccomp_notif *request, const struct call *call) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } to = {0};
    uint64_t size = request->data.args[call->flags];
    if (size > sizeof to - 1) size = sizeof to - 1;
    if (!request->data.args[call->name] ||
        peek(request->pid, request->data.args[call->name], &to, size) <= 0)
        return;
    char host[INET6_ADDRSTRLEN] = "", reason[LONGEST], name[2 * LONGEST];
    if (to.any.sa_family == AF_UNIX && *to.local.sun_path) {
        if (!absolute(request->pid, AT_FDCWD, to.local.sun_path, name)) return;
        if (call->kind == BIND) return note_name(name, WRITTEN | BORN);
        /* What the C library asks the system's own services is answered without them, too. */
        if (was_written(name) || !strncmp(name, "/run/", 5) || !strncmp(name, "/var/run/", 9))
            return;
        snprintf(reason, sizeof reason, "a socket, %.4000s", name);
    } else if (call->kind == CONNECT && to.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &to.v4.sin_addr, host, sizeof host);
        snprintf(reason, sizeof reason, "the network, %s port %d", host, ntohs(to.v4.sin_port));
    } else if (call->kind == CONNECT && to.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &to.v6.sin6_addr, host, sizeof host);
        snprintf(reason, sizeof reason, "the network, %s port %d", host, ntohs(to.v6.sin6_port));
    } else {
        return;
    }
    unseen(reason);
}

static void note_call(const struct seccomp_notif *request, const struct call *call) {
    if (call->kind == UNSEEN) return unseen(call->reason);
    if (call->kind == CONNECT || call->kind == BIND) return note_address(request, call);
    char given[LONGEST], name[2 * LONGEST + 2];
    uint64_t address = request->data.args[call->name];
    if (!address) return; /* a descriptor's own times */
    if (!peek_string(request->pid, address, given, sizeof given)) {
        if (errno == EPERM || errno == ENOSYS) unseen("a process whose memory may not be read");
        return; /* the call fails as well, or its process has ended */
    }
    int folder = call->folder == NO_FOLDER ? AT_FDCWD : (int)request->data.args[call->folder];
    if (absolute(request->pid, folder, given, name)) note_name(name, ways_of(request, call));
}

static void note(const struct seccomp_notif *request) {
    unsigned number = request->data.nr;
    if (request->data.arch != ARCHITECTURE || number >= FIRST_X32_CALL)
        return unseen("a program of another architecture");
    for (int i = 0; i < CALL_COUNT; i++)
        if (CALLS[i].number == number) note_call(request, &CALLS[i]);
}

/* --- The watcher's side ------------------------------------------------------------------ */

static int receive_listener(int link) {
    int status = ESRCH, listener = -1;
    char control[CMSG_SPACE(sizeof listener)];
    struct iovec content = {&status, sizeof status};
    struct msghdr message = {.msg_iov = &content,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t got = recvmsg(link, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header) memcpy(&listener, CMSG_DATA(header), sizeof listener);
    errno = status;
    return listener;
}

static void answer(int listener) {
    struct seccomp_notif request = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request)) return; /* it has ended meanwhile */
    note(&request);
    struct seccomp_notif_resp response = {.id = request.id,
                                          .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* Answer until the last of the processes has ended, or GRACE_MS after the command has. */
static void serve(int listener, int command) {
    struct pollfd events[] = {{listener, POLLIN, 0}, {command, POLLIN, 0}};
    int64_t end = INT64_MAX;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, WAKE_SYNCHRONOUSLY);
    while (!(events[0].revents & POLLHUP) && now_ms() < end) {
        if (poll(events, 2, end == INT64_MAX ? -1 : GRACE_MS) <= 0) continue;
        if (events[0].revents & POLLIN) answer(listener);
        if (events[1].revents & POLLIN) {
            events[1].fd = -1;
            end = now_ms() + GRACE_MS;
        }
    }
}

/* End what outlived the command: orphans of the whole tree are children of this process. */
static void end_orphans(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    for (int process, found = 1; found;) {
        FILE *file = fopen(path, "r");
        found = file && fscanf(file, "%d", &process) == 1;
        if (file) fclose(file);
        if (found && !kill(process, SIGKILL)) waitpid(process, NULL, 0);
    }
}

int main(int count, char **arguments) {
    if (count < 3) return fprintf(stderr, "usage: watch LIST COMMAND...\n"), FAILED;
    int link[2], status;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link)) return perror("watch"), FAILED;
    signal(SIGINT, SIG_IGN); /* who started the watcher decides, and ends both */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t process = fork();
    if (process < 0) return perror("watch"), FAILED;
    if (process == 0) run_command(link[1], arguments + 2);
    close(link[1]);
    int listener = receive_listener(link[0]);
    if (listener >= 0) {
        serve(listener, syscall(SYS_pidfd_open, process, 0));
    } else {
        char reason[128];
        snprintf(reason, sizeof reason, "the kernel refuses to watch (seccomp: %s)",
                 strerror(errno));
        unseen(reason);
    }
    if (waitpid(process, &status, 0) < 0) return perror("watch"), FAILED;
    end_orphans();
    if (!write_seen(arguments[1])) return perror("watch"), FAILED;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
