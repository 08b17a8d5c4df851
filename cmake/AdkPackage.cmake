# What is installed: the two libraries that others link, the files with which pkg-config and CMake find them, documents.
#
# The engine brings names of its own: the C API's `wasm_*` and `wasmtime_*`, Rust's run-time library. A program that has
# another wasmtime, or any other Rust, must not meet them. The shared library hides them by its symbol map; for the static
# one everything is linked into one object file, in which all but the names of the map are made local.

# The linker and objcopy that belong to the compiler; the linker is GNU's, the only one that folds section groups with -r.
function(adk_find_binutil variable)
    foreach(name ${ARGN})
        execute_process(COMMAND ${CMAKE_C_COMPILER} -print-prog-name=${name} OUTPUT_VARIABLE path
                        OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
        find_program(${variable} NAMES ${path} ${name})
        if(${variable})
            return()
        endif()
    endforeach()
    message(FATAL_ERROR "${ARGN} is missing (Debian: binutils), or configure with -DADK_INSTALL=OFF")
endfunction()
adk_find_binutil(ADK_LD ld.bfd ld)
adk_find_binutil(ADK_OBJCOPY objcopy)

set(adk_map ${CMAKE_CURRENT_SOURCE_DIR}/src/adk-sandbox.map)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${adk_map})
file(STRINGS ${adk_map} adk_exported REGEX "^ +adk_[a-z0-9_]+;$")
list(TRANSFORM adk_exported REPLACE "^ +(.*);$" "\\1")

# ---- shared -----------------------------------------------------------------------------------------------------------

# The SONAME's number changes when a release takes away or changes what an earlier one exported.
set(ADK_SOVERSION 0)

add_library(adk_sandbox_shared SHARED $<TARGET_OBJECTS:adk_sandbox>)
set_target_properties(adk_sandbox_shared PROPERTIES
    OUTPUT_NAME adk_sandbox
    EXPORT_NAME sandbox
    VERSION ${PROJECT_VERSION}
    SOVERSION ${ADK_SOVERSION}
    LINKER_LANGUAGE C
    LINK_DEPENDS ${adk_map})
target_include_directories(adk_sandbox_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(adk_sandbox_shared
    PRIVATE $<BUILD_INTERFACE:adk_flags> $<BUILD_INTERFACE:adk_engine>
            PkgConfig::JANSSON PkgConfig::SODIUM PkgConfig::XXHASH)
# nodelete: the engine's signal handlers and the threads that watch deadlines outlive a dlclose().
target_link_options(adk_sandbox_shared PRIVATE
    -Wl,--version-script=${adk_map} -Wl,-z,nodelete -Wl,-z,defs -Wl,-Bsymbolic $<$<CONFIG:Release>:-s>)

# ---- static -----------------------------------------------------------------------------------------------------------

set(adk_static ${CMAKE_CURRENT_BINARY_DIR}/libadk_sandbox.a)
set(adk_static_work ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/adk_sandbox_static)
list(JOIN adk_exported "\n" adk_names)
file(CONFIGURE OUTPUT ${adk_static_work}/exported CONTENT "@adk_names@\n" @ONLY)
list(TRANSFORM adk_exported PREPEND "-u " OUTPUT_VARIABLE adk_roots)
list(JOIN adk_roots "\n" adk_roots)
file(CONFIGURE OUTPUT ${adk_static_work}/roots CONTENT "@adk_roots@\n" @ONLY)

# Section groups are resolved here: a group of the same name elsewhere would make the final linker drop ours, whose
# symbols it can no longer match. What LLVM left for itself (.llvmbc, …) serves nobody.
add_custom_command(
    OUTPUT ${adk_static}
    COMMAND ${ADK_LD} -r --force-group-allocation --gc-sections @${adk_static_work}/roots -o ${adk_static_work}/all.o
            --whole-archive $<TARGET_FILE:adk_sandbox> --no-whole-archive ${adk_engine_archive}
    COMMAND ${ADK_OBJCOPY} --keep-global-symbols=${adk_static_work}/exported
            --remove-section=.llvmbc --remove-section=.llvmcmd --remove-section=.llvm_addrsig
            $<$<CONFIG:Release>:--strip-unneeded> ${adk_static_work}/all.o ${adk_static_work}/adk_sandbox.o
    COMMAND ${CMAKE_COMMAND} -E rm -f ${adk_static} ${adk_static_work}/all.o
    COMMAND ${CMAKE_AR} qcsD ${adk_static} ${adk_static_work}/adk_sandbox.o
    DEPENDS adk_sandbox ${adk_engine_archive} ${adk_map}
    COMMENT "Linking static library libadk_sandbox.a" VERBATIM COMMAND_EXPAND_LISTS)
add_custom_target(adk_sandbox_static ALL DEPENDS ${adk_static})

# ---- where everything goes --------------------------------------------------------------------------------------------

set(adk_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/adk-sandbox)

install(DIRECTORY include/adk DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS adk_sandbox_shared EXPORT adk-sandbox-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${adk_static} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES docs/report.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/adk-sandbox)
install(FILES README.md CHANGELOG.md SECURITY.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
# What README leads to, in the places where its links look for it.
install(FILES docs/guide.md docs/hosts.md docs/from-rust.md docs/runtimes.md docs/report.schema.json
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} PATTERN CMakeLists.txt EXCLUDE)

# ---- what the command knows of itself: completion, manual -------------------------------------------------------------

set(adk_made ${CMAKE_CURRENT_BINARY_DIR}/made)
file(MAKE_DIRECTORY ${adk_made})
foreach(format bash zsh fish json)
    add_custom_command(
        OUTPUT ${adk_made}/completion.${format}
        COMMAND adk-sandbox completion ${format} > ${adk_made}/completion.${format}
        DEPENDS adk-sandbox
        COMMENT "Writing completion for ${format}" VERBATIM)
    list(APPEND adk_made_files ${adk_made}/completion.${format})
endforeach()
install(FILES ${adk_made}/completion.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME adk-sandbox)
install(FILES ${adk_made}/completion.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _adk-sandbox)
install(FILES ${adk_made}/completion.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
        RENAME adk-sandbox.fish)

find_program(ADK_PYTHON3 python3)
if(ADK_PYTHON3)
    string(TIMESTAMP adk_date "%Y-%m-%d" UTC) # or what SOURCE_DATE_EPOCH says
    set(adk_generate ${CMAKE_CURRENT_SOURCE_DIR}/docs/man/generate.py)
    set(adk_page ${CMAKE_CURRENT_SOURCE_DIR}/docs/man/adk-sandbox.1.md)
    file(GLOB adk_headers CONFIGURE_DEPENDS include/adk/*.h)
    add_custom_command(
        OUTPUT ${adk_made}/adk-sandbox.1
        COMMAND ${ADK_PYTHON3} -B ${adk_generate} command ${adk_made}/completion.json ${adk_page} ${adk_date}
                ${adk_made}/adk-sandbox.1
        DEPENDS ${adk_generate} ${adk_page} ${adk_made}/completion.json
        COMMENT "Writing adk-sandbox(1)" VERBATIM)
    add_custom_command(
        OUTPUT ${adk_made}/man3/adk_sandbox.3
        COMMAND ${CMAKE_COMMAND} -E rm -rf ${adk_made}/man3
        COMMAND ${ADK_PYTHON3} -B ${adk_generate} library ${CMAKE_CURRENT_SOURCE_DIR}/include/adk ${PROJECT_VERSION}
                ${adk_date} ${adk_made}/man3
        DEPENDS ${adk_generate} ${adk_headers}
        COMMENT "Writing the library's manual" VERBATIM)
    list(APPEND adk_made_files ${adk_made}/adk-sandbox.1 ${adk_made}/man3/adk_sandbox.3)
    install(FILES ${adk_made}/adk-sandbox.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(DIRECTORY ${adk_made}/man3 DESTINATION ${CMAKE_INSTALL_MANDIR})
else()
    message(STATUS "No python3 (Debian: python3): the manual is not made")
endif()
add_custom_target(adk_made ALL DEPENDS ${adk_made_files})

# The reference as HTML, for those who have Doxygen; it is not installed.
find_program(ADK_DOXYGEN doxygen)
if(ADK_DOXYGEN)
    configure_file(docs/Doxyfile.in ${CMAKE_CURRENT_BINARY_DIR}/Doxyfile @ONLY)
    add_custom_target(docs
        COMMAND ${ADK_DOXYGEN} ${CMAKE_CURRENT_BINARY_DIR}/Doxyfile
        COMMENT "Writing reference/html/index.html" VERBATIM)
endif()

# ---- how it is found --------------------------------------------------------------------------------------------------

include(CMakePackageConfigHelpers)
install(EXPORT adk-sandbox-targets NAMESPACE adk:: DESTINATION ${adk_cmake_dir})
configure_package_config_file(cmake/adk-sandbox-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/adk-sandbox-config.cmake
    INSTALL_DESTINATION ${adk_cmake_dir}
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_LIBEXECDIR CMAKE_INSTALL_DATADIR)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/adk-sandbox-config-version.cmake
    COMPATIBILITY SameMinorVersion) # until 1.0
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/adk-sandbox-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/adk-sandbox-config-version.cmake
        DESTINATION ${adk_cmake_dir})

# The directories of the .pc file, relative to its own place, so that an installation can be moved.
function(adk_pc_directory variable directory)
    if(IS_ABSOLUTE ${directory})
        set(${variable} ${directory} PARENT_SCOPE)
    else()
        set(${variable} "\${prefix}/${directory}" PARENT_SCOPE)
    endif()
endfunction()
adk_pc_directory(adk_pc_libdir ${CMAKE_INSTALL_LIBDIR})
adk_pc_directory(adk_pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
adk_pc_directory(adk_pc_libexecdir ${CMAKE_INSTALL_LIBEXECDIR})
adk_pc_directory(adk_pc_datadir ${CMAKE_INSTALL_DATADIR})
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
    set(adk_pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
    cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
               OUTPUT_VARIABLE adk_pc_prefix)
    string(PREPEND adk_pc_prefix "\${pcfiledir}/")
endif()
configure_file(cmake/adk-sandbox.pc.in ${CMAKE_CURRENT_BINARY_DIR}/adk-sandbox.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/adk-sandbox.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# ---- a package for Debian: cpack -G DEB, or `make deb` ---------------------------------------------------------------

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The adk-sandbox developers <adk-sandbox@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Runs code that nobody has reviewed, within limits")
set(CPACK_PACKAGE_DESCRIPTION "A command and a C library that run WebAssembly modules in process, under WASI preview 1 in a world of their own:
one deadline over everything, one memory budget, typed outcomes, output kept byte-exact.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_CHECKSUM SHA256)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
# Who links the static library needs these.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libjansson-dev, libsodium-dev")
# Loaded at run time, so it is nowhere in what dpkg-shlibdeps reads.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libarchive13")
find_program(ADK_SHLIBDEPS dpkg-shlibdeps)
if(ADK_SHLIBDEPS)
    set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
else()
    string(APPEND CPACK_DEBIAN_PACKAGE_DEPENDS ", libc6 (>= 2.36), libgcc-s1, libjansson4, libseccomp2, libsodium23")
endif()
include(CPack)
