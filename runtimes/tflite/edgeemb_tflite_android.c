/* libedgeemb_tflite for Android: the delegate, and the two functions by which the kit's Java class edgeemb.LookupDelegate makes and drops
 * it. JNI hands over an environment and a class, which are not used: its header is not needed. */
#include "edgeemb_tflite.c"

EDGEEMB_EXPORT int64_t Java_edgeemb_LookupDelegate_create(void *environment, void *type);
EDGEEMB_EXPORT void Java_edgeemb_LookupDelegate_destroy(void *environment, void *type, int64_t delegate);

int64_t Java_edgeemb_LookupDelegate_create(void *environment, void *type)
{
    (void)environment;
    (void)type;
    return (int64_t)(intptr_t)tflite_plugin_create_delegate(NULL, NULL, 0, NULL);
}

void Java_edgeemb_LookupDelegate_destroy(void *environment, void *type, int64_t delegate)
{
    (void)environment;
    (void)type;
    tflite_plugin_destroy_delegate((TflDelegate *)(intptr_t)delegate);
}
