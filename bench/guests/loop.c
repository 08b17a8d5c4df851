/* Never ends. */
static volatile unsigned counter;

int main(void)
{
    for (;;)
        counter++;
}
