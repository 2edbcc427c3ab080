/*
 * The reader process: takes files from the service one by one and lets confined children read them.
 * It is single-threaded, so that forking is safe, and never parses a byte of a file itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/base.h"
#include "services/digitisation/confine.h"
#include "services/digitisation/ocr.h"
#include "services/digitisation/reader.h"

#define OCR_WALL_MS  (10 * 60 * 1000)
#define OCR_CPU_S    600
#define TOOL_WALL_MS (2 * 60 * 1000)
#define TOOL_CPU_S   100
#define TEXT_MIN     16 /* letters in the text layer of a PDF that has one */
#define EXIT_REFUSED 99 /* the kernel cannot confine as asked */

/* Descriptors of the file at work. */
struct work {
	int in, text, pdf;
	struct reader_result *result; /* shared with the children */
};

static void child_begin(unsigned cpu_s)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(READER_SOCKET);
	confine_limits(cpu_s);
}

/* Waits for the child within wall_ms; its status, or -1 when it had to be killed. */
static int child_wait(pid_t pid, int wall_ms)
{
	CLEANUP_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int status = -1, ready;

	do
		ready = poll(&p, 1, wall_ms);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || ready <= 0)
		return -1;
	return status;
}

/* What a child's end means when it did not say so itself. */
static enum reader_outcome judge_end(int status)
{
	if (status == -1)
		return READER_TIMED_OUT;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS    ? READER_VIOLATION
		       : WTERMSIG(status) == SIGXCPU ? READER_TIMED_OUT
						     : READER_CRASHED;
	if (WEXITSTATUS(status) == EXIT_REFUSED)
		return READER_VIOLATION;
	return WEXITSTATUS(status) == 0 ? READER_OK : READER_UNREADABLE;
}

/* --- recognition --- */

static _Noreturn void ocr_child(const struct work *w, int in_fd, bool is_stream)
{
	struct stat st;
	const uint8_t *p = NULL;

	child_begin(OCR_CPU_S);
	dup2(in_fd, STDIN_FILENO);
	dup2(w->pdf, STDOUT_FILENO);
	lseek(STDIN_FILENO, 0, SEEK_SET);
	if (fstat(STDIN_FILENO, &st) < 0 || st.st_size == 0 || ocr_begin() < 0 ||
	    confine_parser() < 0)
		_exit(EXIT_REFUSED);
	if (!is_stream)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
	w->result->outcome = is_stream ? ocr_pnm_stream(w->text, w->result)
			     : p == MAP_FAILED
				     ? READER_UNREADABLE
				     : ocr_image(p, (size_t)st.st_size, w->text, w->result);
	_exit(0);
}

static enum reader_outcome recognise(const struct work *w, int in_fd, bool is_stream)
{
	pid_t pid = fork();
	enum reader_outcome end;

	if (pid == 0)
		ocr_child(w, in_fd, is_stream);
	end = pid < 0 ? READER_CRASHED : judge_end(child_wait(pid, OCR_WALL_MS));
	/* The child's own word counts only when it came to its end. */
	return end == READER_OK ? w->result->outcome : end;
}

/* --- tools of poppler --- */

static enum reader_outcome run_tool(char *const argv[], int in_fd, int out_fd)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid < 0 ? READER_CRASHED : judge_end(child_wait(pid, TOOL_WALL_MS));
	child_begin(TOOL_CPU_S);
	dup2(in_fd, STDIN_FILENO);
	dup2(out_fd, STDOUT_FILENO);
	lseek(STDIN_FILENO, 0, SEEK_SET);
	for (int i = STDERR_FILENO + 1; i < 64; i++)
		close(i);
	if (confine_tool() < 0)
		_exit(EXIT_REFUSED);
	execv(argv[0], argv);
	_exit(127);
}

/* Letters and pages in the text a PDF brings along; pages end with a form feed. */
static void count_text(int fd, uint32_t *ret_letters, uint32_t *ret_pages)
{
	unsigned char block[4096];
	off_t at = 0;
	ssize_t n;

	*ret_letters = *ret_pages = 0;
	while ((n = pread(fd, block, sizeof(block), at)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			*ret_letters += block[i] > ' ';
			*ret_pages += block[i] == '\f';
		}
		at += n;
	}
}

static enum reader_outcome read_pdf(const struct work *w)
{
	char *to_text[] = {"/usr/bin/pdftotext", "-q", "-enc", "UTF-8", "-", "-", NULL};
	char *to_pages[] = {"/usr/bin/pdftoppm", "-q", "-r", "200", "-gray", "-", NULL};
	CLEANUP_FD int pages = -1;
	enum reader_outcome outcome = run_tool(to_text, w->in, w->text);
	uint32_t letters;

	if (outcome != READER_OK)
		return outcome;
	count_text(w->text, &letters, &w->result->pages);
	if (w->result->pages > READER_PAGES_MAX)
		return READER_TOO_LARGE;
	w->result->confidence = 100;
	if (letters >= TEXT_MIN)
		return READER_TEXT_LAYER;
	pages = (int)syscall(SYS_memfd_create, "pages", MFD_CLOEXEC);
	if (pages < 0 || ftruncate(w->text, 0) < 0 || lseek(w->text, 0, SEEK_SET) < 0)
		return READER_CRASHED;
	outcome = run_tool(to_pages, w->in, pages);
	return outcome == READER_OK ? recognise(w, pages, true) : outcome;
}

/* --- the loop --- */

/* 1 a job, 0 the service has gone, -1 not a job. */
static int receive_job(struct reader_message *m, struct work *w)
{
	struct iovec iov = {.iov_base = m, .iov_len = sizeof(*m)};
	int fds[3];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(fds))];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.room,
			     .msg_controllen = sizeof(control.room)};
	ssize_t n = recvmsg(READER_SOCKET, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (n == 0)
		return 0;
	if (n < 0 && errno == EINTR)
		return -1;
	if (n != sizeof(*m) || m->magic != READER_MAGIC || !c || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(fds)))
		return n < 0 ? 0 : -1;
	memcpy(fds, CMSG_DATA(c), sizeof(fds));
	w->in = fds[0];
	w->text = fds[1];
	w->pdf = fds[2];
	return 1;
}

static int serve_one(struct reader_result *shared)
{
	struct reader_message m;
	struct work w = {.result = shared};
	int got = receive_job(&m, &w);

	if (got <= 0)
		return got;
	memset(shared, 0, sizeof(*shared));
	m.result.outcome = m.kind == READER_PDF ? read_pdf(&w) : recognise(&w, w.in, false);
	m.result.pages = shared->pages;
	m.result.confidence = shared->confidence;
	close(w.in);
	close(w.text);
	close(w.pdf);
	return send(READER_SOCKET, &m, sizeof(m), MSG_NOSIGNAL) == sizeof(m) ? 1 : 0;
}

int reader_main(void)
{
	struct reader_result *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	signal(SIGTERM, SIG_IGN); /* the service ends us, when its last file is done with */
	signal(SIGINT, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (shared == MAP_FAILED || ocr_prepare() < 0)
		return EXIT_FAILURE;
	while (serve_one(shared) != 0)
		;
	return EXIT_SUCCESS;
}
