// The same from C++17: objects of the library in smart pointers, an exception of our own past its frames.
#include <adk/sandbox.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

template <auto Free> struct Deleter {
    template <typename T> void operator()(T *object) const { Free(object); }
};
using Backend = std::unique_ptr<adk_backend, Deleter<adk_backend_free>>;
using Result = std::unique_ptr<adk_result, Deleter<adk_result_free>>;
using Error = std::unique_ptr<adk_error, Deleter<adk_error_free>>;

static Result run(adk_backend *backend, const std::string &code)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = nullptr;
    adk_error *error = nullptr;

    request.code = adk_bytes_make(code.data(), code.size());
    request.timeout_ns = 60000000000;
    if (adk_backend_execute(backend, &request, nullptr, &result, &error) != ADK_OK) {
        Error owner(error);
        throw std::runtime_error(adk_error_message_cstr(error));
    }
    return Result(result);
}

int main(int argc, char **argv)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    adk_backend *made = nullptr;
    adk_error *error = nullptr;

    options.worker_cstr = argc > 1 ? argv[1] : nullptr;
    if (adk_wasm_backend_new(&options, &made, &error) != ADK_OK)
        return 1;
    Backend backend(made);
    Result result = run(backend.get(), "(module (func (export \"_start\") (drop (i32.div_u (i32.const 1) (i32.const 0)))))");
    adk_bytes kind = adk_result_trap_kind(result.get());
    std::printf("%.*s\n", static_cast<int>(kind.size), static_cast<const char *>(static_cast<const void *>(kind.data)));
    try {
        adk_request empty = ADK_REQUEST_INIT;
        adk_result *none = nullptr;
        if (adk_backend_execute(backend.get(), &empty, nullptr, &none, nullptr) != ADK_OK)
            throw std::runtime_error("refused");
    } catch (const std::exception &e) {
        std::printf("%s\n", e.what());
    }
    return 0;
}
