// Registration of the custom op `edgeemb.QuantizedLookup`; see edgeemb_tflm.cc.
#ifndef EDGEEMB_TFLM_H
#define EDGEEMB_TFLM_H

#include "tensorflow/lite/micro/micro_common.h"

namespace edgeemb
{

extern const char kQuantizedLookupName[];
const TFLMRegistration *RegisterQuantizedLookup();

} // namespace edgeemb

#endif
