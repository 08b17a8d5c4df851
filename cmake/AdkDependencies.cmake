# C libraries of the system. What is missing is named together with Debian's package for it.

find_package(PkgConfig)
if(NOT PKG_CONFIG_FOUND)
    message(FATAL_ERROR "pkg-config is missing (Debian: pkg-config). `make setup` installs everything that is needed.")
endif()

function(adk_need target module package)
    pkg_check_modules(${target} IMPORTED_TARGET GLOBAL QUIET ${module})
    if(NOT ${target}_FOUND)
        message(FATAL_ERROR "${module} is missing (Debian: ${package}). `make setup` installs everything that is needed.")
    endif()
endfunction()

adk_need(JANSSON jansson libjansson-dev)
adk_need(SODIUM libsodium libsodium-dev)
adk_need(XXHASH libxxhash libxxhash-dev)
adk_need(ARCHIVE libarchive libarchive-dev)
adk_need(SECCOMP libseccomp libseccomp-dev)
if(BUILD_TESTING)
    adk_need(CMOCKA cmocka libcmocka-dev)
endif()

find_path(ADK_UTHASH_DIR uthash.h)
if(NOT ADK_UTHASH_DIR)
    message(FATAL_ERROR "uthash.h is missing (Debian: uthash-dev). `make setup` installs everything that is needed.")
endif()
