/* The functions of runner.h over ExecuTorch's Module. */
#include "runner.h"

#include "call.h"
#include "mapped_file.h"
#include "threads.h"

#include <executorch/devtools/etdump/etdump_flatcc.h>
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor_ptr_maker.h>
#include <executorch/extension/threadpool/threadpool_guard.h>
#include <executorch/runtime/platform/platform.h>
#include <executorch/runtime/platform/runtime.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

using edgeemb::guarded;
using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::etdump::ETDumpGen;
using executorch::extension::Module;
using executorch::runtime::Error;
using executorch::runtime::EValue;
using executorch::runtime::Program;

/* Gives back what calloc gave. */
struct Freed {
    void operator()(uint8_t *memory) const
    {
        std::free(memory);
    }
};

/* Members are destroyed from the last to the first: outputs before the module that they came from, the threads' claim at the very end. */
struct edgeemb_session {
    edgeemb::Threads threads;
    /* Memory for activations, planned for the longest input: pages that a shorter one never touches are never made. */
    std::vector<std::unique_ptr<uint8_t, Freed>> arenas;
    std::vector<executorch::runtime::Span<uint8_t>> spans;
    std::unique_ptr<executorch::runtime::HierarchicalAllocator> planned;
    std::unique_ptr<Module> module;
    std::vector<EValue> outputs;
    std::vector<edgeemb_tensor> inputs;
    size_t output_count = 0;
    int64_t planned_bytes = 0;
    bool profiled = false;
};

namespace
{

constexpr const char *method = "forward";

Error write_record(edgeemb_session &session, const char *path)
{
    auto *recorder = static_cast<ETDumpGen *>(session.module->event_tracer());
    const auto record = recorder->get_etdump_data();
    std::FILE *file = record.buf == nullptr ? nullptr : std::fopen(path, "wb");
    bool written = false;

    if (file != nullptr) {
        written = std::fwrite(record.buf, 1, record.size, file) == record.size;
        written = std::fclose(file) == 0 && written;
    }
    std::free(record.buf);
    return written ? Error::Ok : Error::AccessFailed;
}

Error describe(edgeemb_session &session)
{
    const auto meta = session.module->method_meta(method);

    if (!meta.ok()) {
        return meta.error();
    }
    for (size_t index = 0; index < meta->num_memory_planned_buffers(); ++index) {
        const auto bytes = meta->memory_planned_buffer_size(index);

        if (!bytes.ok() || *bytes < 0) {
            return Error::InvalidProgram;
        }
        const size_t size = static_cast<size_t>(*bytes);
        session.arenas.emplace_back(static_cast<uint8_t *>(std::calloc(size == 0 ? 1 : size, 1)));
        if (session.arenas.back() == nullptr) {
            return Error::MemoryAllocationFailed;
        }
        session.spans.emplace_back(session.arenas.back().get(), size);
        session.planned_bytes += *bytes;
    }
    session.planned = std::make_unique<executorch::runtime::HierarchicalAllocator>(
        executorch::runtime::Span<executorch::runtime::Span<uint8_t>>(session.spans.data(), session.spans.size()));
    session.output_count = meta->num_outputs();
    for (size_t index = 0; index < meta->num_inputs(); ++index) {
        const auto info = meta->input_tensor_meta(index);
        edgeemb_tensor tensor = {};

        if (!info.ok() || info->sizes().size() > EDGEEMB_MOST_DIMENSIONS) {
            return Error::NotSupported;
        }
        tensor.type = static_cast<int32_t>(info->scalar_type());
        tensor.rank = static_cast<int32_t>(info->sizes().size());
        for (int32_t axis = 0; axis < tensor.rank; ++axis) {
            tensor.dims[axis] = info->sizes()[static_cast<size_t>(axis)];
        }
        session.inputs.push_back(tensor);
    }
    return Error::Ok;
}

Error load(edgeemb_session &session, const char *program, const char *tables, bool profile)
{
    std::unique_ptr<executorch::runtime::EventTracer> tracer;

    if (profile) {
        tracer = std::make_unique<ETDumpGen>();
    }
    session.profiled = profile;
    auto file = edgeemb::MappedFile::open(program);
    auto apart = tables == nullptr || file == nullptr ? nullptr : edgeemb::MappedFile::open(tables);
    if (file == nullptr || (tables != nullptr && apart == nullptr)) {
        return Error::AccessFailed;
    }
    session.module = std::make_unique<Module>(std::move(file), nullptr, nullptr, std::move(tracer), std::move(apart));
    /* A damaged file is found here rather than in the middle of a run. */
    Error error = session.module->load(Program::Verification::InternalConsistency);
    if (error == Error::Ok) {
        error = describe(session);
    }
    return error == Error::Ok ? session.module->load_method(method, session.planned.get()) : error;
}

/* Whether a tensor has the type and the rank of an input, and no axis longer than that takes. */
bool fits(const edgeemb_tensor &tensor, const edgeemb_tensor &input)
{
    bool empty = false;

    if (tensor.type != input.type || tensor.rank != input.rank) {
        return false;
    }
    for (int32_t axis = 0; axis < input.rank; ++axis) {
        if (tensor.dims[axis] < 0 || tensor.dims[axis] > input.dims[axis]) {
            return false;
        }
        empty = empty || tensor.dims[axis] == 0;
    }
    return empty || tensor.data != nullptr;
}

Error run(edgeemb_session &session, const edgeemb_tensor *inputs, int32_t count)
{
    std::optional<executorch::extension::threadpool::NoThreadPoolGuard> alone;
    std::vector<executorch::extension::TensorPtr> tensors;
    std::vector<EValue> values;

    if (count < 0 || static_cast<size_t>(count) != session.inputs.size()) {
        ET_LOG(Error, "%d inputs were given, the program takes %zu", static_cast<int>(count), session.inputs.size());
        return Error::InvalidArgument;
    }
    if (session.threads.serial()) {
        alone.emplace();
    }
    for (int32_t index = 0; index < count; ++index) {
        const edgeemb_tensor &input = inputs[index];

        if (!fits(input, session.inputs[static_cast<size_t>(index)])) {
            ET_LOG(Error, "input %d has another type or rank than the program's, or is larger", static_cast<int>(index));
            return Error::InvalidArgument;
        }
        tensors.push_back(
            executorch::extension::from_blob(
                input.data, std::vector<SizesType>(input.dims, input.dims + input.rank), static_cast<ScalarType>(input.type)));
        values.emplace_back(tensors.back());
    }
    auto result = session.module->execute(method, values);
    if (!result.ok()) {
        return result.error();
    }
    session.outputs = std::move(*result);
    return Error::Ok;
}

} // namespace

int32_t edgeemb_executorch_version(void)
{
    return 1;
}

int32_t edgeemb_executorch_open(
    const char *program, const char *tables, int32_t threads, int32_t profile, edgeemb_session **session, char *message, size_t size)
{
    static std::once_flag once;

    return guarded(message, size, [&] {
        std::call_once(once, [] {
            executorch::runtime::runtime_init();
            executorch::runtime::register_pal(executorch::runtime::PalImpl::create(edgeemb::keep_log, __FILE__));
        });
        auto made = std::make_unique<edgeemb_session>();
        Error error = made->threads.claim(threads);

        if (error != Error::Ok) {
            return error;
        }
        {
            std::optional<executorch::extension::threadpool::NoThreadPoolGuard> alone;
            if (made->threads.serial()) {
                alone.emplace();
            }
            error = load(*made, program, tables, profile != 0);
        }
        if (error == Error::Ok) {
            *session = made.release();
        }
        return error;
    });
}

int32_t edgeemb_executorch_inputs(edgeemb_session *session)
{
    return static_cast<int32_t>(session->inputs.size());
}

int32_t edgeemb_executorch_outputs(edgeemb_session *session)
{
    return static_cast<int32_t>(session->output_count);
}

int32_t edgeemb_executorch_input(edgeemb_session *session, int32_t index, edgeemb_tensor *tensor)
{
    if (index < 0 || static_cast<size_t>(index) >= session->inputs.size()) {
        return static_cast<int32_t>(Error::InvalidArgument);
    }
    *tensor = session->inputs[static_cast<size_t>(index)];
    return 0;
}

int64_t edgeemb_executorch_planned_bytes(edgeemb_session *session)
{
    return session->planned_bytes;
}

int32_t edgeemb_executorch_run(edgeemb_session *session, const edgeemb_tensor *inputs, int32_t count, char *message, size_t size)
{
    return guarded(message, size, [&] { return run(*session, inputs, count); });
}

int32_t edgeemb_executorch_output(edgeemb_session *session, int32_t index, edgeemb_tensor *tensor)
{
    return guarded([&] {
        if (index < 0 || static_cast<size_t>(index) >= session->outputs.size() ||
            !session->outputs[static_cast<size_t>(index)].isTensor()) {
            return Error::InvalidArgument;
        }
        const auto output = session->outputs[static_cast<size_t>(index)].toTensor();
        if (output.dim() > EDGEEMB_MOST_DIMENSIONS) {
            return Error::NotSupported;
        }
        tensor->type = static_cast<int32_t>(output.scalar_type());
        tensor->rank = static_cast<int32_t>(output.dim());
        for (int32_t axis = 0; axis < tensor->rank; ++axis) {
            tensor->dims[axis] = output.size(axis);
        }
        tensor->data = output.mutable_data_ptr();
        return Error::Ok;
    });
}

int32_t edgeemb_executorch_profile(edgeemb_session *session, const char *path)
{
    return guarded([&] { return session->profiled ? write_record(*session, path) : Error::InvalidState; });
}

void edgeemb_executorch_close(edgeemb_session *session)
{
    delete session;
}
