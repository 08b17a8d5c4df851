# Guests: small programs in C or WebAssembly text that the tests run, assembled at build time and never committed.
#
#   adk_guest_c(NAME SOURCE [DIRECTORY dir] [OPTIONS option...])   NAME.wasm by clang and wasi-libc
#   adk_guest_wat(NAME SOURCE [DIRECTORY dir])                     NAME.wasm by wat2wasm
#
# They land in ADK_GUEST_DIR unless a directory is given, and are built with everything else. Where a tool is missing the
# functions do nothing, once with a message, and tests that need the guest exit with 77.

include_guard(GLOBAL)

set(ADK_GUEST_DIR ${CMAKE_BINARY_DIR}/tests/guests)
find_program(ADK_WASM_CLANG clang)
find_program(ADK_WAT2WASM wat2wasm)
set(ADK_WASI_SYSROOT /usr CACHE PATH "Where wasi-libc is: its include/wasm32-wasi and lib/wasm32-wasi")
set(adk_wasm_flags --target=wasm32-wasi --sysroot=${ADK_WASI_SYSROOT} -O1 -Wall -Wextra)

# A whole program has to come out: headers, C library, linker and the compiler's run-time library can each be missing.
if(ADK_WASM_CLANG AND NOT DEFINED CACHE{ADK_WASM_CLANG_WORKS})
    file(WRITE ${CMAKE_BINARY_DIR}/CMakeFiles/adk-guest.c
         "#include <stdio.h>\nint main(int c, char **v) { return printf(\"%f %s\", (double)(1ULL << c), v[0]); }\n")
    execute_process(COMMAND ${ADK_WASM_CLANG} ${adk_wasm_flags} -o ${CMAKE_BINARY_DIR}/CMakeFiles/adk-guest.wasm
                            ${CMAKE_BINARY_DIR}/CMakeFiles/adk-guest.c
                    RESULT_VARIABLE adk_failed OUTPUT_QUIET ERROR_QUIET)
    if(adk_failed EQUAL 0)
        set(ADK_WASM_CLANG_WORKS ON CACHE INTERNAL "clang compiles C for WASI")
    endif()
endif()
if(NOT ADK_WASM_CLANG_WORKS)
    message(STATUS "No C for WASI (Debian: clang lld wasi-libc libclang-rt-14-dev-wasm32): tests of C guests are skipped")
endif()
if(NOT ADK_WAT2WASM)
    message(STATUS "No wat2wasm (Debian: wabt): tests of assembled guests are skipped")
endif()

add_custom_target(adk_guests ALL)

function(adk_guest_output name directory ret_path)
    if(NOT directory)
        set(directory ${ADK_GUEST_DIR})
    endif()
    file(MAKE_DIRECTORY ${directory})
    set(${ret_path} ${directory}/${name}.wasm PARENT_SCOPE)
endfunction()

# One target each, so that directories other than the one that made the rule can depend on it.
function(adk_guest_target name output)
    string(MD5 mark ${output})
    string(SUBSTRING ${mark} 0 8 mark)
    add_custom_target(adk_guest_${name}_${mark} DEPENDS ${output})
    add_dependencies(adk_guests adk_guest_${name}_${mark})
endfunction()

function(adk_guest_c name source)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "DIRECTORY" "OPTIONS;DEPENDS")
    if(NOT ADK_WASM_CLANG_WORKS)
        return()
    endif()
    adk_guest_output(${name} "${arg_DIRECTORY}" output)
    cmake_path(ABSOLUTE_PATH source)
    add_custom_command(
        OUTPUT ${output}
        COMMAND ${ADK_WASM_CLANG} ${adk_wasm_flags} ${arg_OPTIONS} -o ${output} ${source}
        DEPENDS ${source} ${arg_DEPENDS}
        COMMENT "Compiling guest ${name}.wasm" VERBATIM)
    adk_guest_target(${name} ${output})
endfunction()

function(adk_guest_wat name source)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "DIRECTORY" "OPTIONS")
    if(NOT ADK_WAT2WASM)
        return()
    endif()
    adk_guest_output(${name} "${arg_DIRECTORY}" output)
    cmake_path(ABSOLUTE_PATH source)
    add_custom_command(
        OUTPUT ${output}
        COMMAND ${ADK_WAT2WASM} ${arg_OPTIONS} -o ${output} ${source}
        DEPENDS ${source}
        COMMENT "Assembling guest ${name}.wasm" VERBATIM)
    adk_guest_target(${name} ${output})
endfunction()
