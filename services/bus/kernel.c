#include "services/bus/kernel.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/number.h"

bool kernel_measure(int fd, struct kernel_figures *ret)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof(info);
	int waiting = 0, leaving = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0 ||
	    ioctl(fd, SIOCINQ, &waiting) < 0 || ioctl(fd, SIOCOUTQ, &leaving) < 0)
		return false;
	*ret = (struct kernel_figures){.read = info.tcpi_bytes_received - (uint64_t)waiting,
				       .acked = info.tcpi_bytes_acked,
				       .drained = leaving == 0};
	return true;
}

uint64_t kernel_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t n = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n) == 0 ? cookie : 0;
}

uint64_t kernel_resident_bytes(void)
{
	CLEANUP_FD int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[64] = "";
	const char *second;
	int64_t pages = 0;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	second = strchr(text, ' ');
	if (!second || number_prefix(second + 1, 0, INT64_MAX / 65536, &pages) < 0)
		return 0;
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
