/* A call through the C interface: nothing is thrown out of it, and a line says why it failed. */
#ifndef EDGEEMB_CALL_H
#define EDGEEMB_CALL_H

#include <executorch/runtime/core/error.h>
#include <executorch/runtime/platform/platform.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <new>
#include <string>

namespace edgeemb
{

/* What the runtime logs while a call of this thread is at work: the first error says why, the later ones only where. */
inline thread_local std::string *logged = nullptr;

inline void keep_log(et_timestamp_t, et_pal_log_level_t level, const char *, const char *, size_t, const char *message, size_t length)
{
    if (level != kError && level != kFatal) {
        return;
    }
    if (logged == nullptr || level == kFatal) {
        std::fprintf(stderr, "executorch: %.*s\n", static_cast<int>(length), message);
    } else if (logged->empty()) {
        logged->assign(message, length);
    }
}

/* Collects the log of one call, and words its failure. */
class Call
{
  public:
    Call(char *message, size_t size) : message_(message), size_(size)
    {
        logged = &text_;
    }
    ~Call()
    {
        logged = nullptr;
    }
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;
    int32_t result(executorch::runtime::Error error)
    {
        if (error != executorch::runtime::Error::Ok && message_ != nullptr && size_ > 0) {
            for (char &letter : text_) {
                letter = letter == '\n' ? ' ' : letter;
            }
            std::snprintf(message_, size_, "%s", text_.empty() ? executorch::runtime::to_string(error) : text_.c_str());
        }
        return static_cast<int32_t>(error);
    }

  private:
    std::string text_;
    char *message_;
    size_t size_;
};

/* What `work` gives, as an error code: nothing that it throws crosses the C interface. */
template <typename Work> int32_t guarded(Work work)
{
    try {
        return static_cast<int32_t>(work());
    } catch (const std::bad_alloc &) {
        return static_cast<int32_t>(executorch::runtime::Error::MemoryAllocationFailed);
    } catch (...) {
        return static_cast<int32_t>(executorch::runtime::Error::Internal);
    }
}

/* The same with a line that says why. */
template <typename Work> int32_t guarded(char *message, size_t size, Work work)
{
    return guarded([&] {
        Call call(message, size);

        try {
            return call.result(work());
        } catch (const std::bad_alloc &) {
            return call.result(executorch::runtime::Error::MemoryAllocationFailed);
        } catch (...) {
            return call.result(executorch::runtime::Error::Internal);
        }
    });
}

} // namespace edgeemb

#endif
