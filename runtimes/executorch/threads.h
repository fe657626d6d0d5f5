/* The threads of a session: the process has one pool, and delegates keep the pool that they were made with. */
#ifndef EDGEEMB_THREADS_H
#define EDGEEMB_THREADS_H

#include <executorch/runtime/core/error.h>
#include <executorch/runtime/platform/log.h>

#include <cstddef>
#include <cstdint>
#include <mutex>

/* The installed headers leave the pool's own out; these are the two functions of it that are needed here. */
namespace executorch::extension::threadpool
{
class ThreadPool final
{
  public:
    size_t get_thread_count() const;
    bool _unsafe_reset_threadpool(uint32_t count);
};
ThreadPool *get_threadpool();
} // namespace executorch::extension::threadpool

namespace edgeemb
{

/* A session's claim on the pool, which may change only while no session uses it. */
class Threads
{
  public:
    Threads() = default;
    Threads(const Threads &) = delete;
    Threads &operator=(const Threads &) = delete;
    ~Threads()
    {
        const std::lock_guard<std::mutex> hold(lock);

        if (counted_) {
            --users;
        }
    }

    /* One thread needs no pool; 0 takes the pool as it is. */
    executorch::runtime::Error claim(int32_t count)
    {
        const std::lock_guard<std::mutex> hold(lock);
        auto *pool = executorch::extension::threadpool::get_threadpool();

        serial_ = count == 1;
        if (serial_) {
            return executorch::runtime::Error::Ok;
        }
        if (count > 1 && pool->get_thread_count() != static_cast<size_t>(count)) {
            if (users > 0) {
                ET_LOG(Error, "another session uses the process's %zu threads: close it, or ask for as many", pool->get_thread_count());
                return executorch::runtime::Error::InvalidState;
            }
            if (!pool->_unsafe_reset_threadpool(static_cast<uint32_t>(count))) {
                return executorch::runtime::Error::Internal;
            }
        }
        ++users;
        counted_ = true;
        return executorch::runtime::Error::Ok;
    }

    bool serial() const
    {
        return serial_;
    }

  private:
    inline static std::mutex lock;
    inline static int users = 0;
    bool serial_ = false;
    bool counted_ = false; /* among the users of the pool */
};

} // namespace edgeemb

#endif
