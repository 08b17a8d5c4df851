/*
 * The library in C++17: unique_ptr with the library's own functions as deleters, and errors as exceptions. No exception
 * may leave a callback: the frames below it are C's and the engine's.
 */
#include <adk/sandbox.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace {

template <auto free_function> struct deleter {
    template <typename T> void operator()(T *object) const noexcept { free_function(object); }
};

using backend_ptr = std::unique_ptr<adk_backend, deleter<adk_backend_free>>;
using module_ptr = std::unique_ptr<adk_wasm_module, deleter<adk_wasm_module_free>>;
using result_ptr = std::unique_ptr<adk_result, deleter<adk_result_free>>;
using error_ptr = std::unique_ptr<adk_error, deleter<adk_error_free>>;

/* Calls function(arguments..., &object, &error) and owns what it gives. */
template <typename Pointer, typename Function, typename... Arguments>
Pointer make(Function function, Arguments... arguments)
{
    typename Pointer::pointer object = nullptr;
    adk_error *error = nullptr;

    if (function(arguments..., &object, &error) != ADK_OK) {
        error_ptr owned(error);
        throw std::runtime_error(adk_error_message_cstr(error));
    }
    return Pointer(object);
}

std::string_view view(adk_bytes bytes)
{
    return {static_cast<const char *>(bytes.data), bytes.size};
}

adk_bytes bytes(std::string_view text)
{
    return adk_bytes_make(text.data(), text.size());
}

} // namespace

int main()
{
    try {
        const adk_wasm_options *defaults = nullptr;
        auto backend = make<backend_ptr>(adk_wasm_backend_new, defaults);
        /* Declared after the backend, so freed before it, as it must be. */
        auto module = make<module_ptr>(
            adk_wasm_module_new, backend.get(),
            bytes("(module (memory (export \"memory\") 1)"
                  " (func (export \"_start\") (drop (i32.load (i32.const 65536)))))"));
        adk_request request = ADK_REQUEST_INIT;
        adk_cancel *never = nullptr;

        request.module = module.get();
        request.timeout_ns = 10000000000;
        auto result = make<result_ptr>(adk_backend_execute, backend.get(), &request, never);
        std::string_view kind = view(adk_result_trap_kind(result.get()));
        std::printf("%s: %.*s\n", adk_outcome_cstr(adk_result_outcome(result.get())), static_cast<int>(kind.size()),
                    kind.data());
        make<module_ptr>(adk_wasm_module_new, backend.get(), bytes("(module (func $x"));
    } catch (const std::exception &failure) {
        std::printf("caught: %s\n", failure.what());
        return 0;
    }
    return 1;
}
