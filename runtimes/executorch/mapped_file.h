/* A file in memory, as the runtime's own loader maps it, but for one thing: what a program writes into its constants changes a copy of
 * that page, and neither the file nor the process comes to harm. Programs come from anywhere, and the runtime checks that an output lies
 * in its program, not that it is no constant. */
#ifndef EDGEEMB_MAPPED_FILE_H
#define EDGEEMB_MAPPED_FILE_H

#include <executorch/runtime/core/data_loader.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace edgeemb
{

class MappedFile final : public executorch::runtime::DataLoader
{
  public:
    /* The file at a path; none, with a line in the log, if it cannot be mapped. */
    static std::unique_ptr<MappedFile> open(const char *path)
    {
        const int file = ::open(path, O_RDONLY | O_CLOEXEC);
        struct stat found = {};
        void *data = MAP_FAILED;

        if (file >= 0 && ::fstat(file, &found) == 0 && found.st_size > 0) {
            data = ::mmap(nullptr, static_cast<size_t>(found.st_size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file, 0);
        }
        if (data == MAP_FAILED) {
            ET_LOG(Error, "%s cannot be mapped: %s", path, file >= 0 && found.st_size == 0 ? "it is empty" : std::strerror(errno));
        }
        if (file >= 0) {
            ::close(file);
        }
        return data == MAP_FAILED ? nullptr : std::unique_ptr<MappedFile>(new MappedFile(data, static_cast<size_t>(found.st_size)));
    }

    MappedFile(const MappedFile &) = delete;
    MappedFile &operator=(const MappedFile &) = delete;

    ~MappedFile() override
    {
        ::munmap(data_, size_);
    }

    executorch::runtime::Result<executorch::runtime::FreeableBuffer> load(size_t offset, size_t size, const SegmentInfo &) const override
    {
        if (!holds(offset, size)) {
            return executorch::runtime::Error::InvalidArgument;
        }
        return executorch::runtime::FreeableBuffer(static_cast<uint8_t *>(data_) + offset, size, nullptr);
    }

    executorch::runtime::Error load_into(size_t offset, size_t size, const SegmentInfo &, void *buffer) const override
    {
        if (!holds(offset, size)) {
            return executorch::runtime::Error::InvalidArgument;
        }
        std::memcpy(buffer, static_cast<const uint8_t *>(data_) + offset, size);
        return executorch::runtime::Error::Ok;
    }

    executorch::runtime::Result<size_t> size() const override
    {
        return size_;
    }

  private:
    MappedFile(void *data, size_t size) : data_(data), size_(size)
    {
    }

    bool holds(size_t offset, size_t size) const
    {
        if (offset <= size_ && size <= size_ - offset) {
            return true;
        }
        ET_LOG(Error, "the program is cut off: bytes %zu to %zu are not there", offset, offset + size);
        return false;
    }

    void *data_;
    size_t size_;
};

} // namespace edgeemb

#endif
