#include "services/digitisation/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/base.h"

#define MEMORY_MAX    (1200LL * 1024 * 1024)
#define FILE_SIZE_MAX (512LL * 1024 * 1024)

static void limit(int resource, rlim_t value)
{
	struct rlimit r = {value, value};

	setrlimit(resource, &r);
}

void confine_limits(unsigned cpu_s)
{
	limit(RLIMIT_CPU, cpu_s);
	limit(RLIMIT_FSIZE, FILE_SIZE_MAX);
	limit(RLIMIT_NOFILE, 32);
	limit(RLIMIT_CORE, 0);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow is terabytes of address space */
	limit(RLIMIT_AS, MEMORY_MAX);
#endif
}

static int add_rules(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (seccomp_rule_add(filter, action, calls[i], 0) < 0)
			return -1;
	}
	return 0;
}

int confine_parser(void)
{
	static const int allowed[] = {
		SCMP_SYS(read),         SCMP_SYS(pread64),        SCMP_SYS(write),
		SCMP_SYS(writev),       SCMP_SYS(pwrite64),       SCMP_SYS(lseek),
		SCMP_SYS(fstat),        SCMP_SYS(newfstatat),     SCMP_SYS(close),
		SCMP_SYS(mmap),         SCMP_SYS(munmap),         SCMP_SYS(mremap),
		SCMP_SYS(mprotect),     SCMP_SYS(madvise),        SCMP_SYS(brk),
		SCMP_SYS(futex),        SCMP_SYS(sched_yield),    SCMP_SYS(getpid),
		SCMP_SYS(gettid),       SCMP_SYS(clock_gettime),  SCMP_SYS(gettimeofday),
		SCMP_SYS(getrandom),    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack),    SCMP_SYS(sysinfo),
		SCMP_SYS(times),        SCMP_SYS(getrusage),      SCMP_SYS(sched_getaffinity),
		SCMP_SYS(exit),         SCMP_SYS(exit_group),     SCMP_SYS(restart_syscall),
		SCMP_SYS(time),
	};
	/* Asked in passing by libraries that can do without. */
	static const int refused[] = {SCMP_SYS(openat), SCMP_SYS(open),     SCMP_SYS(access),
				      SCMP_SYS(stat),   SCMP_SYS(readlink), SCMP_SYS(ioctl),
				      SCMP_SYS(fcntl),  SCMP_SYS(unlink),   SCMP_SYS(prctl)};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = -1;

	if (filter && add_rules(filter, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed)) == 0 &&
	    add_rules(filter, SCMP_ACT_ERRNO(EACCES), refused, ARRAY_LEN(refused)) == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc < 0 ? -1 : 0;
}

/* --- tools --- */

#define READ_RIGHTS                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ALL_RIGHTS                                                                                 \
	(READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |             \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                           \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                               \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                             \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

/* A path that does not exist needs no permission. */
static int allow_below(int rules, const char *path)
{
	CLEANUP_FD int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr beneath = {.allowed_access = READ_RIGHTS,
						     .parent_fd = fd};

	if (fd < 0)
		return 0;
	return (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
}

static int confine_files(void)
{
	static const char *const readable[] = {"/usr", "/lib", "/lib64", "/etc/fonts",
					       "/var/cache/fontconfig"};
	struct landlock_ruleset_attr attr = {.handled_access_fs = ALL_RIGHTS};
	CLEANUP_FD int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (rules < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(readable); i++) {
		if (allow_below(rules, readable[i]) < 0)
			return -1;
	}
	return syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? -1 : 0;
}

int confine_tool(void)
{
	static const int denied[] = {
		SCMP_SYS(socket),
		SCMP_SYS(socketpair),
		SCMP_SYS(connect),
		SCMP_SYS(bind),
		SCMP_SYS(ptrace),
		SCMP_SYS(process_vm_readv),
		SCMP_SYS(process_vm_writev),
		SCMP_SYS(kill),
		SCMP_SYS(tkill),
		SCMP_SYS(fork),
		SCMP_SYS(vfork),
		SCMP_SYS(mount),
		SCMP_SYS(unshare),
		SCMP_SYS(setns),
		SCMP_SYS(bpf),
		SCMP_SYS(keyctl),
		SCMP_SYS(perf_event_open),
		SCMP_SYS(io_uring_setup),
		SCMP_SYS(pidfd_open),
		SCMP_SYS(pidfd_send_signal),
		SCMP_SYS(userfaultfd),
	};
	scmp_filter_ctx filter;
	int rc = -1;

	if (confine_files() < 0)
		return -1;
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (filter && add_rules(filter, SCMP_ACT_KILL_PROCESS, denied, ARRAY_LEN(denied)) == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc < 0 ? -1 : 0;
}
