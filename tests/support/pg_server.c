#include "tests/support/pg_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/support/pg.h"

#define DIR_PREFIX "lgsp-pg."
#define START_US   (60 * CLOCK_US_PER_S)

static struct {
	bool durable;
	char bin[128]; /* folder of postgres and initdb */
	uid_t uid;     /* whom the server runs as */
	char user[64];
	char dir[64]; /* data/, log, lock and the socket */
	char conninfo[192];
	pid_t pid;
	pid_t owner; /* the test itself: a forked child must not clean up */
} server;

void pg_die(const char *what, const char *why)
{
	fprintf(stderr, "tests/support/pg: %s: %s\n", what, why);
	exit(99);
}

void pg_server_use_durable(void)
{
	server.durable = true;
}

const char *pg_server_conninfo(void)
{
	return server.conninfo;
}

pid_t pg_server_pid(void)
{
	return server.pid;
}

static void find_bin(void)
{
	const char *given = getenv("LGSP_PG_BIN");
	int best = 0;

	if (given) {
		snprintf(server.bin, sizeof(server.bin), "%s", given);
		return;
	}
	for (int v = 13; v < 40; v++) {
		char path[128];

		snprintf(path, sizeof(path), "/usr/lib/postgresql/%d/bin/initdb", v);
		if (access(path, X_OK) == 0)
			best = v;
	}
	if (!best)
		pg_die("initdb", "not found under /usr/lib/postgresql");
	snprintf(server.bin, sizeof(server.bin), "/usr/lib/postgresql/%d/bin", best);
}

static void find_user(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	if (geteuid() == 0) {
		pw = getpwnam("postgres");
		if (!pw)
			pw = getpwnam("nobody");
	}
	if (!pw)
		pg_die("user", "none to run the server as");
	server.uid = pw->pw_uid;
	snprintf(server.user, sizeof(server.user), "%s", pw->pw_name);
}

static void become_user(void)
{
	const struct passwd *pw = getpwuid(server.uid);

	if (geteuid() != 0)
		return;
	if (!pw || setgroups(0, NULL) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
		_exit(126);
}

/* A child as the server's user; log: file for its output. */
static pid_t spawn(const char *log, char *const argv[])
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);

	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	become_user();
	/* Behind setuid(), which clears it: nothing stays behind when the test is killed. */
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	if (getppid() != parent || chdir("/") < 0)
		_exit(126);
	execv(argv[0], argv);
	_exit(127);
}

static void run(const char *log, char *const argv[])
{
	int status = -1;
	pid_t pid = spawn(log, argv);

	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		pg_die(argv[0], log);
}

static void remove_tree(const char *path)
{
	run("/dev/null", (char *const[]){"/bin/rm", "-rf", (char *)path, NULL});
	/* The folder itself stands in /tmp, where only its owner may remove it. */
	rmdir(path);
}

static int take_lock(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return -1;
	if (flock(fd, flags) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Folders of tests that were killed: their lock is free. */
static void remove_stale(void)
{
	DIR *tmp = opendir("/tmp");
	const struct dirent *e;

	while (tmp && (e = readdir(tmp))) {
		char dir[300], lock[320];
		struct stat st;

		snprintf(dir, sizeof(dir), "/tmp/%s", e->d_name);
		snprintf(lock, sizeof(lock), "%s/lock", dir);
		if (strncmp(e->d_name, DIR_PREFIX, strlen(DIR_PREFIX)) != 0 || stat(dir, &st) < 0 ||
		    st.st_uid != server.uid)
			continue;
		int fd = take_lock(lock, LOCK_EX | LOCK_NB);

		if (fd < 0)
			continue;
		unlink(lock);
		remove_tree(dir);
		close(fd);
	}
	if (tmp)
		closedir(tmp);
}

static void make_template(const char *template)
{
	char initdb[160], tmp[160];
	struct stat st;

	if (stat(template, &st) == 0 && st.st_uid == server.uid)
		return;
	snprintf(initdb, sizeof(initdb), "%s/initdb", server.bin);
	snprintf(tmp, sizeof(tmp), "%s.new", template);
	run("/dev/null", (char *const[]){"/bin/rm", "-rf", tmp, NULL});
	run("/tmp/lgsp-pg-initdb.log",
	    (char *const[]){initdb, "-D", tmp, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
			    "-A", "trust", "-k", "-N", "--wal-segsize=4", NULL});
	run("/dev/null", (char *const[]){"/bin/mv", tmp, (char *)template, NULL});
}

static void at_exit(void)
{
	if (getpid() != server.owner || !server.dir[0])
		return;
	if (server.pid > 0) {
		kill(server.pid, SIGCONT);
		kill(server.pid, SIGQUIT);
		waitpid(server.pid, NULL, 0);
	}
	remove_tree(server.dir);
}

static void make_dir(void)
{
	char lock[96], data[96], template[96];
	char *bin_version = strstr(server.bin, "postgresql/");

	snprintf(server.dir, sizeof(server.dir), "/tmp/" DIR_PREFIX "XXXXXX");
	if (!mkdtemp(server.dir) || chmod(server.dir, 0755) < 0 ||
	    chown(server.dir, server.uid, (gid_t)-1) < 0)
		pg_die(server.dir, strerror(errno));
	snprintf(lock, sizeof(lock), "%s/lock", server.dir);
	if (take_lock(lock, LOCK_EX | LOCK_NB) < 0)
		pg_die(lock, strerror(errno));
	snprintf(template, sizeof(template), "/tmp/lgsp-pg-template-%u-%d", (unsigned)server.uid,
		 bin_version ? atoi(bin_version + strlen("postgresql/")) : 0);
	make_template(template);
	snprintf(data, sizeof(data), "%s/data", server.dir);
	run("/dev/null", (char *const[]){"/bin/cp", "-a", template, data, NULL});
}

/* False when it has ended: the backends of a killed one still hold its shared memory. */
static bool wait_ready(int64_t until_us)
{
	char dsn[256];
	const struct timespec step = {.tv_nsec = 10 * 1000 * 1000};

	snprintf(dsn, sizeof(dsn), "%s dbname=postgres", server.conninfo);
	while (PQping(dsn) != PQPING_OK) {
		if (clock_mono_us() > until_us)
			pg_die("postgres", "does not start");
		nanosleep(&step, NULL);
		if (waitpid(server.pid, NULL, WNOHANG) != 0)
			return false;
	}
	return true;
}

static void start_once(void)
{
	char postgres[160], data[96], log[96];
	const char *fsync = server.durable ? "fsync=on" : "fsync=off";
	const char *pages = server.durable ? "full_page_writes=on" : "full_page_writes=off";

	snprintf(postgres, sizeof(postgres), "%s/postgres", server.bin);
	snprintf(data, sizeof(data), "%s/data", server.dir);
	snprintf(log, sizeof(log), "%s/log", server.dir);
	server.pid = spawn(log, (char *const[]){postgres,
						"-D",
						data,
						"-k",
						server.dir,
						"-c",
						"listen_addresses=",
						"-c",
						(char *)fsync,
						"-c",
						(char *)pages,
						"-c",
						"max_connections=120",
						"-c",
						server.durable ? "shared_buffers=512MB"
							       : "shared_buffers=64MB",
						"-c",
						"max_wal_size=2GB",
						"-c",
						"jit=off",
						"-c",
						"log_min_messages=fatal",
						NULL});
	if (server.pid < 0)
		pg_die("fork", strerror(errno));
}

void pg_server_start(void)
{
	int64_t until_us = clock_mono_us() + START_US;

	do
		start_once();
	while (!wait_ready(until_us));
}

void pg_server_stop(void)
{
	kill(server.pid, SIGINT);
	waitpid(server.pid, NULL, 0);
	server.pid = 0;
}

void pg_crash(void)
{
	kill(server.pid, SIGKILL);
	waitpid(server.pid, NULL, 0);
	pg_server_start();
}

void pg_server_need(void)
{
	char lock[64];

	if (server.pid > 0)
		return;
	if (server.dir[0]) {
		pg_server_start();
		return;
	}
	find_bin();
	find_user();
	snprintf(lock, sizeof(lock), "/tmp/lgsp-pg-%u.lock", (unsigned)geteuid());
	int fd = take_lock(lock, LOCK_EX);

	remove_stale();
	server.owner = getpid();
	atexit(at_exit);
	make_dir();
	close(fd);
	snprintf(server.conninfo, sizeof(server.conninfo), "host=%s", server.dir);
	pg_server_start();
}
