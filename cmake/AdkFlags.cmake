# Warnings, hardening and sanitizers, as one interface target that everything of ours links.

add_library(adk_flags INTERFACE)
target_compile_definitions(adk_flags INTERFACE _GNU_SOURCE)
target_compile_options(adk_flags INTERFACE
    -fvisibility=hidden -fno-common -fstack-protector-strong -ffunction-sections -fdata-sections
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes
    -Wwrite-strings -Wpointer-arith -Wformat=2 -Wvla -Wundef
    $<$<BOOL:${ADK_WERROR}>:-Werror>
    -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=) # no name of a directory of whoever built it in assertions
target_link_options(adk_flags INTERFACE -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
    target_compile_options(adk_flags INTERFACE -fcf-protection)
endif()
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(adk_flags INTERFACE -fstack-clash-protection -Wduplicated-cond -Wlogical-op)
endif()

if(ADK_SANITIZE)
    target_compile_options(adk_flags INTERFACE -fsanitize=${ADK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(adk_flags INTERFACE -fsanitize=${ADK_SANITIZE})
else()
    target_compile_options(adk_flags INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
endif()

# A position-independent program, so that its addresses are the system's to choose.
target_link_options(adk_flags INTERFACE $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>)

# Programs of the current directory and those below it are linked by LLVM's linker, where there is one: the tests are some
# two hundred programs, each with the engine in it, and it takes a fifth of the time. What is installed is linked as usual.
find_program(ADK_LLD ld.lld)
macro(adk_link_quickly)
    if(ADK_LLD)
        add_link_options(-fuse-ld=lld)
    endif()
endmacro()
