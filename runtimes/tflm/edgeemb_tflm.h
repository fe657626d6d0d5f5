// Registration of the custom ops of ../tflite/lookups.h; see edgeemb_tflm.cc.
#ifndef EDGEEMB_TFLM_H
#define EDGEEMB_TFLM_H

#include "tensorflow/lite/micro/micro_common.h"

namespace edgeemb
{

const TFLMRegistration *RegisterQuantizedLookup();
const TFLMRegistration *RegisterCodebookLookup();
const TFLMRegistration *RegisterNgramLookup();

// Adds all of them to a resolver that has room; name those that a model needs instead to save flash.
template <typename Resolver> TfLiteStatus AddLookups(Resolver &resolver)
{
    TfLiteStatus status = resolver.AddCustom("edgeemb.QuantizedLookup", RegisterQuantizedLookup());

    if (status == kTfLiteOk) {
        status = resolver.AddCustom("edgeemb.CodebookLookup", RegisterCodebookLookup());
    }
    return status == kTfLiteOk ? resolver.AddCustom("edgeemb.NgramLookup", RegisterNgramLookup()) : status;
}

} // namespace edgeemb

#endif
