/* Reads in/0 … in/9 and writes each, its bits turned over, to out/0 … out/9. */
#include <stdio.h>
#include <sys/stat.h>

static char block[65536];

int main(void)
{
    (void)mkdir("out", 0755);
    for (int i = 0; i < 10; i++) {
        char name[16];
        FILE *file;
        size_t size;

        (void)snprintf(name, sizeof(name), "in/%d", i);
        file = fopen(name, "rb");
        if (file == NULL)
            return 1;
        size = fread(block, 1, sizeof(block), file);
        (void)fclose(file);
        for (size_t at = 0; at < size; at++)
            block[at] = (char)~block[at];
        (void)snprintf(name, sizeof(name), "out/%d", i);
        file = fopen(name, "wb");
        if (file == NULL || fwrite(block, 1, size, file) != size || fclose(file) != 0)
            return 2;
    }
    return 0;
}
