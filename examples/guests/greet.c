/* Reads a name from standard input, and shows what a guest sees of arguments and environment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

int main(int argc, char **argv)
{
    const char *greeting = getenv("GREETING");
    char name[128] = "nobody";

    if (fgets(name, sizeof(name), stdin) != NULL)
        name[strcspn(name, "\n")] = '\0';
    printf("%s, %s!\n", greeting == NULL ? "Hello" : greeting, name);
    for (int i = 0; i < argc; i++)
        printf("argument %d: %s\n", i, argv[i]);
    for (char **variable = environ; *variable != NULL; variable++)
        printf("environment: %s\n", *variable);
    fprintf(stderr, "and this is standard error\n");
    return 3;
}
