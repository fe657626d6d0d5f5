/* libedgeemb_onnxruntime: the ops of domain `edgeemb` for ONNX Runtime. See ../README.md for their signatures.
 *
 * An adapter: it reads shapes, checks them, hands pointers to the kernels and words their errors. It holds no arithmetic. */
#include "codebook_logits_op.h"
#include "codebook_op.h"
#include "linear_op.h"
#include "logits_op.h"
#include "ngram_op.h"
#include "quantized_op.h"
#include "top_op.h"

/* A model-local function is known by its name alone, and the portable body depends on the bits or the longest n-gram: hence a name for
 * each. */
#define QUANTIZED(name, bits, parallel) OP(quantized, name, bits, 3, 1, parallel)
#define LOGITS(name, bits, parallel) OP(logits, name, bits, 3, 1, parallel)
#define TOP(suffix, bits, parallel)                                                                                                        \
    OP_OF(top, "QuantizedTop" suffix, bits, 4, 1, parallel, 2), OP_OF(shortlist, "ShortlistTop" suffix, bits, 7, 1, parallel, 2)
/* None of the inputs is declared as bytes: weights of 8 bits have a sign. */
#define LINEAR(name, bits, activation, parallel) OP(linear, name, LINEAR_DETAIL(bits, activation), bits == 8 ? 5 : 4, 9, parallel)
#define LINEARS(suffix, bits, parallel)                                                                                                    \
    LINEAR("QuantizedLinear" suffix, bits, EEM_IDENTITY, parallel), LINEAR("QuantizedLinearRelu" suffix, bits, EEM_RELU, parallel),        \
        LINEAR("QuantizedLinearGelu" suffix, bits, EEM_GELU, parallel),                                                                    \
        LINEAR("QuantizedLinearFastGelu" suffix, bits, EEM_GELU_TANH, parallel)
#define CODEBOOK(name, additive, parallel) OP(codebook, name, additive, 3, 1, parallel)
#define CODEBOOK_LOGITS(name, additive, parallel) OP(codebook_logits, name, additive, 3, 1, parallel)
#define NGRAMS(suffix, n, parallel)                                                                                                        \
    OP(ngram, "NgramLookup" suffix, n, 5, 1, parallel), OP(ngram_bytes, "NgramBytes" suffix, n, 3, 0, parallel)
#define OPS(parallel)                                                                                                                      \
    {QUANTIZED("QuantizedLookup", 0, parallel),                                                                                            \
     QUANTIZED("QuantizedLookup8", 8, parallel),                                                                                           \
     QUANTIZED("QuantizedLookup4", 4, parallel),                                                                                           \
     QUANTIZED("QuantizedLookup2", 2, parallel),                                                                                           \
     QUANTIZED("QuantizedLookup1", 1, parallel),                                                                                           \
     LOGITS("QuantizedLogits", 0, parallel),                                                                                               \
     LOGITS("QuantizedLogits8", 8, parallel),                                                                                              \
     LOGITS("QuantizedLogits4", 4, parallel),                                                                                              \
     LOGITS("QuantizedLogits2", 2, parallel),                                                                                              \
     LOGITS("QuantizedLogits1", 1, parallel),                                                                                              \
     LINEARS("8", 8, parallel),                                                                                                            \
     LINEARS("4", 4, parallel),                                                                                                            \
     CODEBOOK("CodebookLookup", 0, parallel),                                                                                              \
     CODEBOOK("CodebookSumLookup", 1, parallel),                                                                                           \
     CODEBOOK_LOGITS("CodebookLogits", 0, parallel),                                                                                       \
     CODEBOOK_LOGITS("CodebookSumLogits", 1, parallel),                                                                                    \
     NGRAMS("", 0, parallel),                                                                                                              \
     NGRAMS("1", 1, parallel),                                                                                                             \
     NGRAMS("2", 2, parallel),                                                                                                             \
     NGRAMS("3", 3, parallel),                                                                                                             \
     NGRAMS("4", 4, parallel),                                                                                                             \
     NGRAMS("5", 5, parallel),                                                                                                             \
     NGRAMS("6", 6, parallel),                                                                                                             \
     NGRAMS("7", 7, parallel),                                                                                                             \
     NGRAMS("8", 8, parallel),                                                                                                             \
     TOP("8", 8, parallel),                                                                                                                \
     TOP("4", 4, parallel),                                                                                                                \
     TOP("2", 2, parallel),                                                                                                                \
     TOP("1", 1, parallel)}

static const Op ops[2][48] = {OPS(0), OPS(1)};

/* Whether a version such as "1.17.0" is 1.17 or newer. */
static int has_parallel_for(const char *version)
{
    int major = 0, minor = 0;

    return sscanf(version, "%d.%d", &major, &minor) == 2 && (major > 1 || (major == 1 && minor >= 17));
}

#if defined(_WIN32)
__declspec(dllexport)
#else
__attribute__((visibility("default")))
#endif
OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base);

/* What ONNX Runtime calls for SessionOptions.register_custom_ops_library. Success without ops would let it run the portable bodies instead
 * without a word, and so a runtime too old for this table gets an error, made with its own first version. The domain is not released:
 * sessions made from the options keep a pointer to it for as long as they live. */
OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base)
{
    OrtApi *api = base->get_api(ORT_ABI_VERSION);
    OrtCustomOpDomain *domain = NULL;
    OrtStatus *status;
    const Op *set;
    size_t index;

    if (api == NULL) {
        return failure(base->get_api(1), ORT_FAIL, "edgeemb: this ONNX Runtime is too old: the library needs 1.16 or newer");
    }
    set = ops[has_parallel_for(base->version())];
    status = ((OrtCreateDomain)api[SLOT_CREATE_DOMAIN])("edgeemb", &domain);
    for (index = 0; status == NULL && index < sizeof ops[0] / sizeof ops[0][0]; ++index) {
        status = ((OrtDomainAdd)api[SLOT_DOMAIN_ADD])(domain, &set[index].ort);
    }
    return status != NULL ? status : ((OrtAddDomain)api[SLOT_ADD_DOMAIN])(options, domain);
}
