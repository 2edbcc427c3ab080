/* The service's side of the reader process. */
#include "services/digitisation/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/log.h"

#define READ_TIMEOUT_MS (15 * 60 * 1000) /* beyond the children's own limits */

static const struct err_kind reader_away = {ERR_UNAVAILABLE, "READER_AWAY",
					    "Bộ đọc tệp không hoạt động (%s)",
					    "the reader of files is away (%s)"};

static pid_t reader_pid = -1;
static int reader_fd = -1;

/* In the forked child: nothing but the socket and the standard descriptors goes along. */
static void become_reader(int fd)
{
	char *argv[] = {"lgsp-digitisation", READER_OPTION, NULL};
	/* libgomp reads its limit at load; threads cost four times the CPU here. */
	char *envp[] = {"OMP_THREAD_LIMIT=1", "LANG=C.UTF-8", "PATH=/usr/bin", NULL};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fd, READER_SOCKET); /* made without close-on-exec, so that it stays */
	for (int i = READER_SOCKET + 1; i < 1024; i++)
		close(i);
	execve("/proc/self/exe", argv, envp);
	_exit(127);
}

int reader_start(struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return err_set_retry(err, &reader_away, "socketpair", 1000);
	reader_pid = fork();
	if (reader_pid == 0)
		become_reader(pair[1]);
	close(pair[1]);
	fcntl(pair[0], F_SETFD, FD_CLOEXEC);
	if (reader_pid < 0) {
		close(pair[0]);
		return err_set_retry(err, &reader_away, "fork", 1000);
	}
	reader_fd = pair[0];
	log_info("digitisation.reader_started", LOG_NUM("pid", reader_pid));
	return 0;
}

void reader_stop(void)
{
	if (reader_fd >= 0)
		close(reader_fd);
	reader_fd = -1;
	if (reader_pid > 0) {
		kill(reader_pid, SIGKILL);
		waitpid(reader_pid, NULL, 0);
	}
	reader_pid = -1;
}

static int send_job(enum reader_kind kind, int in_fd, int text_fd, int pdf_fd)
{
	struct reader_message m = {.magic = READER_MAGIC, .kind = kind};
	struct iovec iov = {.iov_base = &m, .iov_len = sizeof(m)};
	int fds[3] = {in_fd, text_fd, pdf_fd};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(fds))];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.room,
			     .msg_controllen = sizeof(control.room)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	return sendmsg(reader_fd, &msg, MSG_NOSIGNAL) == sizeof(m) ? 0 : -1;
}

static int receive_result(struct reader_result *ret)
{
	struct pollfd p = {.fd = reader_fd, .events = POLLIN};
	struct reader_message m;
	int ready;

	do
		ready = poll(&p, 1, READ_TIMEOUT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0 || recv(reader_fd, &m, sizeof(m), 0) != sizeof(m) ||
	    m.magic != READER_MAGIC || m.result.outcome < READER_OK ||
	    m.result.outcome > READER_CRASHED)
		return -1;
	*ret = m.result;
	return 0;
}

int reader_read(enum reader_kind kind, int in_fd, int text_fd, int pdf_fd,
		struct reader_result *ret_result, struct err *err)
{
	if (reader_fd < 0 && reader_start(err) < 0)
		return err->status;
	if (send_job(kind, in_fd, text_fd, pdf_fd) == 0 && receive_result(ret_result) == 0)
		return 0;
	log_error("digitisation.reader_lost", LOG_NUM("pid", reader_pid));
	reader_stop();
	return err_set_retry(err, &reader_away, "lost", 1000);
}
