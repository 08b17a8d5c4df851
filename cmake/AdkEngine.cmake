# The WebAssembly engine: a static library that cargo builds from engine/, once for all build directories below build/.
# With ADK_ENGINE_ARCHIVE and ADK_ENGINE_INCLUDE one that was built earlier is taken (packagers, cross builds).

set(ADK_ENGINE_ARCHIVE "" CACHE FILEPATH "An engine archive built earlier (libadk_engine.a)")
set(ADK_ENGINE_INCLUDE "" CACHE PATH "The directory with its wasmtime.h")

cmake_path(GET CMAKE_BINARY_DIR PARENT_PATH adk_parent)
if(adk_parent STREQUAL "${CMAKE_SOURCE_DIR}/build")
    set(adk_engine_dir ${adk_parent}/engine)
else()
    set(adk_engine_dir ${CMAKE_BINARY_DIR}/engine)
endif()

if(ADK_ENGINE_ARCHIVE)
    if(NOT EXISTS ${ADK_ENGINE_ARCHIVE} OR NOT EXISTS ${ADK_ENGINE_INCLUDE}/wasmtime.h)
        message(FATAL_ERROR "ADK_ENGINE_ARCHIVE needs ADK_ENGINE_INCLUDE beside it: the directory with wasmtime.h")
    endif()
    set(adk_engine_archive ${ADK_ENGINE_ARCHIVE})
    set(adk_engine_include ${ADK_ENGINE_INCLUDE})
    add_custom_target(adk_engine_build)
else()
    set(adk_cargo_needed 1.95)
    find_program(ADK_CARGO cargo HINTS $ENV{CARGO_HOME}/bin $ENV{HOME}/.cargo/bin)
    if(NOT ADK_CARGO)
        message(FATAL_ERROR "cargo is missing: install Rust ${adk_cargo_needed} or newer, for example with rustup, or give ADK_ENGINE_ARCHIVE.")
    endif()
    execute_process(COMMAND ${ADK_CARGO} --version OUTPUT_VARIABLE adk_cargo_says ERROR_VARIABLE adk_cargo_says)
    if(NOT adk_cargo_says MATCHES "cargo ([0-9]+\\.[0-9]+)" OR CMAKE_MATCH_1 VERSION_LESS adk_cargo_needed)
        string(STRIP "${adk_cargo_says}" adk_cargo_says)
        message(FATAL_ERROR "cargo is too old: Rust ${adk_cargo_needed} or newer is needed, this is \"${adk_cargo_says}\" (rustup update stable).")
    endif()
    # Messages of Rust's panics name source files: as parts of crates, not as places on the machine that built them. Said
    # by the one variable in which paths may have spaces; what RUSTFLAGS asks for is kept.
    if(DEFINED ENV{CARGO_HOME})
        file(TO_CMAKE_PATH "$ENV{CARGO_HOME}" adk_cargo_home)
    else()
        file(TO_CMAKE_PATH "$ENV{HOME}/.cargo" adk_cargo_home)
    endif()
    string(ASCII 31 adk_between)
    string(REGEX REPLACE " +" "${adk_between}" adk_rustflags "$ENV{RUSTFLAGS}")
    foreach(remap "${adk_cargo_home}/registry/src=/crates" "${adk_engine_dir}=/engine/build"
                  "${CMAKE_SOURCE_DIR}/engine=/engine")
        string(APPEND adk_rustflags "${adk_between}--remap-path-prefix=${remap}")
    endforeach()
    string(REGEX REPLACE "^${adk_between}" "" adk_rustflags "${adk_rustflags}")
    set(adk_engine_archive ${adk_engine_dir}/release/libadk_engine.a)
    set(adk_engine_include ${adk_engine_dir}/include)
    add_custom_command(
        OUTPUT ${adk_engine_archive}
        COMMAND ${CMAKE_COMMAND} -E env CARGO_TARGET_DIR=${adk_engine_dir} ADK_ENGINE_INCLUDE=${adk_engine_include}
                "CARGO_ENCODED_RUSTFLAGS=${adk_rustflags}" ${ADK_CARGO} build --release --locked
        COMMAND ${CMAKE_COMMAND} -E touch ${adk_engine_archive}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/engine
        DEPENDS ${CMAKE_SOURCE_DIR}/engine/Cargo.toml ${CMAKE_SOURCE_DIR}/engine/Cargo.lock
                ${CMAKE_SOURCE_DIR}/engine/build.rs ${CMAKE_SOURCE_DIR}/engine/src/lib.rs
                ${CMAKE_SOURCE_DIR}/engine/src/bulk.rs ${CMAKE_SOURCE_DIR}/engine/src/survey.rs
        COMMENT "Building the WebAssembly engine (once; some minutes)"
        USES_TERMINAL VERBATIM)
    add_custom_target(adk_engine_build DEPENDS ${adk_engine_archive})
    file(MAKE_DIRECTORY ${adk_engine_include})
endif()

add_library(adk_engine STATIC IMPORTED GLOBAL)
set_target_properties(adk_engine PROPERTIES IMPORTED_LOCATION ${adk_engine_archive})
target_include_directories(adk_engine SYSTEM INTERFACE ${adk_engine_include})
target_include_directories(adk_engine INTERFACE ${CMAKE_SOURCE_DIR}/engine)
target_link_libraries(adk_engine INTERFACE pthread dl m)
add_dependencies(adk_engine adk_engine_build)
