/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that ask for files by name, and those after which a list of names is not all. */
#pragma once
#include <sys/syscall.h>

enum kind {
    OPEN,       /* with flags */
    OPEN_HOW,   /* with a struct open_how */
    LOOK,       /* stat, access and the like */
    LOOK_LINK,  /* the same of a link itself */
    LOOK_FLAGS, /* one or the other, as its flags say */
    EXECUTE,
    CHANGE,  /* makes, changes or removes the name */
    REPLACE, /* makes the name whatever was there */
    BIND,    /* makes the name of a socket */
    CONNECT, /* to what a socket's address says */
    UNSEEN,  /* `reason` says what is not seen any more */
};

enum { NO_FOLDER = -1 }; /* the name is relative to the working directory */

struct call {
    unsigned number;
    enum kind kind;
    int folder, name, flags; /* which argument is which */
    const char *reason;
};

static const struct call CALLS[] = {
    {SYS_openat, OPEN, 0, 1, 2, 0},
    {SYS_openat2, OPEN_HOW, 0, 1, 2, 0},
    {SYS_newfstatat, LOOK_FLAGS, 0, 1, 3, 0},
    {SYS_statx, LOOK_FLAGS, 0, 1, 2, 0},
    {SYS_faccessat, LOOK, 0, 1, 0, 0},
    {SYS_faccessat2, LOOK_FLAGS, 0, 1, 3, 0},
    {SYS_readlinkat, LOOK_LINK, 0, 1, 0, 0},
    {SYS_getxattr, LOOK, NO_FOLDER, 0, 0, 0},
    {SYS_chdir, LOOK, NO_FOLDER, 0, 0, 0},
    {SYS_execve, EXECUTE, NO_FOLDER, 0, 0, 0},
    {SYS_execveat, EXECUTE, 0, 1, 0, 0},
    {SYS_mkdirat, CHANGE, 0, 1, 0, 0},
    {SYS_mknodat, CHANGE, 0, 1, 0, 0},
    {SYS_unlinkat, CHANGE, 0, 1, 0, 0},
    {SYS_renameat2, CHANGE, 0, 1, 0, 0},
    {SYS_renameat2, REPLACE, 2, 3, 0, 0},
    {SYS_linkat, LOOK, 0, 1, 0, 0},
    {SYS_linkat, REPLACE, 2, 3, 0, 0},
    {SYS_symlinkat, REPLACE, 1, 2, 0, 0},
    {SYS_truncate, CHANGE, NO_FOLDER, 0, 0, 0},
    {SYS_fchmodat, CHANGE, 0, 1, 0, 0},
    {SYS_fchownat, CHANGE, 0, 1, 0, 0},
    {SYS_utimensat, CHANGE, 0, 1, 0, 0},
#ifdef SYS_renameat
    {SYS_renameat, CHANGE, 0, 1, 0, 0},
    {SYS_renameat, REPLACE, 2, 3, 0, 0},
#endif
#ifdef SYS_open /* what only older architectures have */
    {SYS_open, OPEN, NO_FOLDER, 0, 1, 0},
    {SYS_creat, REPLACE, NO_FOLDER, 0, 0, 0},
    {SYS_stat, LOOK, NO_FOLDER, 0, 0, 0},
    {SYS_lstat, LOOK_LINK, NO_FOLDER, 0, 0, 0},
    {SYS_access, LOOK, NO_FOLDER, 0, 0, 0},
    {SYS_readlink, LOOK_LINK, NO_FOLDER, 0, 0, 0},
    {SYS_mkdir, CHANGE, NO_FOLDER, 0, 0, 0},
    {SYS_mknod, CHANGE, NO_FOLDER, 0, 0, 0},
    {SYS_rmdir, CHANGE, NO_FOLDER, 0, 0, 0},
    {SYS_unlink, CHANGE, NO_FOLDER, 0, 0, 0},
    {SYS_rename, CHANGE, NO_FOLDER, 0, 0, 0},
    {SYS_rename, REPLACE, NO_FOLDER, 1, 0, 0},
    {SYS_link, LOOK, NO_FOLDER, 0, 0, 0},
    {SYS_link, REPLACE, NO_FOLDER, 1, 0, 0},
    {SYS_symlink, REPLACE, NO_FOLDER, 1, 0, 0},
    {SYS_chmod, CHANGE, NO_FOLDER, 0, 0, 0},
    {SYS_chown, CHANGE, NO_FOLDER, 0, 0, 0},
    {SYS_lchown, CHANGE, NO_FOLDER, 0, 0, 0},
    {SYS_utime, CHANGE, NO_FOLDER, 0, 0, 0},
    {SYS_utimes, CHANGE, NO_FOLDER, 0, 0, 0},
    {SYS_futimesat, CHANGE, 0, 1, 0, 0},
#endif
    {SYS_bind, BIND, NO_FOLDER, 1, 2, 0},
    {SYS_connect, CONNECT, NO_FOLDER, 1, 2, 0},
    {SYS_sendto, CONNECT, NO_FOLDER, 4, 5, 0},
    {SYS_io_uring_setup, UNSEEN, 0, 0, 0, "io_uring, which opens files without system calls"},
    {SYS_open_by_handle_at, UNSEEN, 0, 0, 0, "a file opened by a handle instead of its name"},
    {SYS_chroot, UNSEEN, 0, 0, 0, "chroot, after which names mean other files"},
    {SYS_unshare, UNSEEN, 0, 0, 0, "a namespace of its own, in which names mean other files"},
    {SYS_setns, UNSEEN, 0, 0, 0, "another namespace, in which names mean other files"},
};

enum { CALL_COUNT = sizeof CALLS / sizeof *CALLS };
