/* Gives a fuzz target the files named in the arguments, one after the other: replay of a corpus. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly as long as the file, so that a sanitizer sees reads behind it. */
static int replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	long size = -1;

	if (f && fseek(f, 0, SEEK_END) == 0)
		size = ftell(f);
	if (size < 0 || fseek(f, 0, SEEK_SET) != 0) {
		perror(path);
		return -1;
	}
	uint8_t *data = malloc((size_t)size);
	size_t n = fread(data, 1, (size_t)size, f);

	fclose(f);
	if (n == (size_t)size)
		LLVMFuzzerTestOneInput(data, n);
	free(data);
	return n == (size_t)size ? 0 : -1;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (replay(argv[i]) < 0)
			return 1;
	}
	return 0;
}
