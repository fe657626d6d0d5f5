/* A function that is only a name. */
#ifndef EDGEEMB_RUNNER_STUB_H
#define EDGEEMB_RUNNER_STUB_H

#define STUB(name)                                                                                                                         \
    void name(void);                                                                                                                       \
    void name(void)                                                                                                                        \
    {                                                                                                                                      \
    }

#endif
