/* Executes a dot product of bytes, which Armv8.2 has and Armv8.0 does not. */
int main(void)
{
    __asm__ volatile(".arch armv8.2-a+dotprod\n\tsdot v0.4s, v1.16b, v2.16b" ::: "v0");
    return 0;
}
