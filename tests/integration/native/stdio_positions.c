/* Buffering, positions and pushed back characters: the parts of stdio in which buffer and file must agree. */
#include "native.h"

static void buffering(int kind, size_t size, const char *name)
{
    FILE *file = fopen("buffered", "w+");
    struct stat about;
    char line[64];

    printf("%s\n", name);
    SAY(setvbuf(file, NULL, kind, size));
    fputs("no newline", file);
    fflush(file);
    SAY(fseek(file, 3, SEEK_SET));
    fputs("NEW", file);
    SAY(ftell(file));
    SAY(fseek(file, -2, SEEK_CUR));
    printf("  character %c\n", fgetc(file));
    SAY(fseek(file, 0, SEEK_END));
    fputs("\nsecond\n", file);
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL)
        printf("  line %s", line);
    fclose(file);
    SAY(stat("buffered", &about));
    SAY(about.st_size);
}

static void pushed_back(void)
{
    FILE *file = fopen("digits", "r");
    int number = 0;
    char word[8];

    SAY(ungetc('7', file));
    SAY(fgetc(file));
    SAY(fgetc(file));
    SAY(ungetc('9', file));
    SAY(ftell(file));
    SAY(fscanf(file, "%3d", &number));
    SAY(number);
    SAY(fscanf(file, "%4s", word));
    printf("word %s\n", word);
    SAY(fseek(file, 0, SEEK_END));
    SAY(fgetc(file));
    SAY(!!feof(file));
    SAY(ungetc('x', file));
    SAY(!!feof(file));
    SAY(fgetc(file));
    fclose(file);
}

static void saved_positions(void)
{
    FILE *file = fopen("digits", "r+");
    fpos_t position;
    int line = 0;

    while (fgetc(file) != '4')
        line++;
    SAY(line);
    SAY(fgetpos(file, &position));
    SAY(fseek(file, 0, SEEK_CUR));
    SAY(fputc('E', file));
    SAY(fseek(file, 0, SEEK_SET));
    SAY(fgetc(file));
    SAY(fsetpos(file, &position));
    SAY(fgetc(file));
    SAY(fseek(file, -1, SEEK_SET));
    SAY(fseek(file, -100, SEEK_END));
    SAY(fseek(file, 0, 77));
    SAY(fseeko(file, 5000000000, SEEK_SET));
    SAY(ftello(file));
    SAY(fgetc(file));
    fclose(file);
}

/* The file is cut under a stream that has read some of it, and grows again. (What is in a buffer already is its own affair.) */
static void cut_between_reads(void)
{
    FILE *file = fopen("cut", "w+");
    char block[512];

    for (int i = 0; i < 100; i++)
        fprintf(file, "%0511d\n", i);
    fclose(file);
    file = fopen("cut", "r+");
    setvbuf(file, NULL, _IONBF, 0);
    SAY(fread(block, 1, sizeof block, file));
    SAY(ftruncate(fileno(file), 1000));
    SAY(fseek(file, 0, SEEK_SET));
    SAY(fread(block, 1, sizeof block, file));
    SAY(fread(block, 1, sizeof block, file));
    SAY(fread(block, 1, sizeof block, file));
    SAY(!!feof(file));
    SAY(ftruncate(fileno(file), 1024));
    SAY(fseek(file, 998, SEEK_SET));
    for (int i = 0; i < 4; i++)
        SAY(fgetc(file));
    fclose(file);
}

static void lines(void)
{
    FILE *file = fopen("lines", "w+");
    char *line = NULL;
    size_t room = 0;
    ssize_t size;

    for (int i = 0; i < 40; i++)
        fprintf(file, "%*d%s", i * i, i, i % 7 == 0 ? ";" : "\n");
    fwrite("nul\0inside\nlast", 1, 15, file);
    rewind(file);
    while ((size = getline(&line, &room, file)) >= 0)
        printf("%zd %d ", size, line[size - 1]);
    printf("end %d\n", !!feof(file));
    rewind(file);
    while ((size = getdelim(&line, &room, ';', file)) >= 0)
        printf("%zd ", size);
    printf("end %d\n", !!feof(file));
    free(line);
    fclose(file);
}

int main(void)
{
    put("digits", "0123456789\n");
    buffering(_IOFBF, 16, "fully buffered");
    buffering(_IOLBF, 64, "line buffered");
    buffering(_IONBF, 0, "not buffered");
    pushed_back();
    saved_positions();
    cut_between_reads();
    lines();
    SAY(remove("lines"));
    SAY(remove("lines"));
    return 0;
}
