# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# Options, compiler settings and the libraries that the project builds on. The
# one place for warnings (target lauberhorn_warnings) and sanitizers.
#
# As a part of another project (add_subdirectory, FetchContent) only the library
# and its generator are built, and no setting of the other project is touched.
include(GNUInstallDirs)

option(LAUBERHORN_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(LAUBERHORN_BUILD_BENCHMARKS "Build the benchmarks"
       ${PROJECT_IS_TOP_LEVEL})
option(LAUBERHORN_INSTALL "Install the library" ${PROJECT_IS_TOP_LEVEL})
option(LAUBERHORN_WERROR "Treat warnings as errors (the presets do)" OFF)
option(LAUBERHORN_CCACHE "Use ccache where it is installed"
       ${PROJECT_IS_TOP_LEVEL})
set(LAUBERHORN_SANITIZE
    ""
    CACHE STRING "Sanitizers: 'address,undefined', 'thread', the first with \
'fuzzer-no-link', or nothing")

option(LAUBERHORN_CONFORMANCE "Hooks that check the contract (make conformance)"
       OFF)

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE
        Release
        CACHE STRING "Debug, Release or RelWithDebInfo" FORCE)
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

if(LAUBERHORN_CCACHE)
  find_program(LAUBERHORN_CCACHE_PROGRAM ccache)
  if(LAUBERHORN_CCACHE_PROGRAM)
    set(CMAKE_C_COMPILER_LAUNCHER "${LAUBERHORN_CCACHE_PROGRAM}")
    set(CMAKE_CXX_COMPILER_LAUNCHER "${LAUBERHORN_CCACHE_PROGRAM}")
  endif()
endif()

# Visible in the whole build, so that the code of lauberhorn_generate() links in
# whatever folder it is called.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(PkgConfig REQUIRED)
pkg_check_modules(libisal REQUIRED IMPORTED_TARGET GLOBAL libisal)
pkg_check_modules(liburing REQUIRED IMPORTED_TARGET GLOBAL liburing)
if(LAUBERHORN_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(LAUBERHORN_BUILD_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL OFF)

# Every target of the project compiles with this; nothing of it is installed.
# Clang counts a private field as unused where a test's fake of the class, which
# has no use for it, defines all functions.
add_library(lauberhorn_warnings INTERFACE)
target_compile_options(
  lauberhorn_warnings
  INTERFACE -Wall -Wextra -Wconversion -Wshadow
            $<$<CXX_COMPILER_ID:Clang>:-Wno-unused-private-field>
            $<$<BOOL:${LAUBERHORN_WERROR}>:-Werror>)

# Sanitizers change the calling program too, so they reach whoever links.
add_library(lauberhorn_sanitizers INTERFACE)
if(LAUBERHORN_SANITIZE)
  target_compile_options(
    lauberhorn_sanitizers
    INTERFACE -fsanitize=${LAUBERHORN_SANITIZE} -fno-sanitize-recover=all
              -fno-omit-frame-pointer -g1)
  target_link_options(lauberhorn_sanitizers INTERFACE
                      -fsanitize=${LAUBERHORN_SANITIZE})
  # GCC warns about the fences that ThreadSanitizer does not follow; where a
  # fence matters, the code says so with an annotation of its own.
  if(LAUBERHORN_SANITIZE STREQUAL "thread")
    target_compile_options(
      lauberhorn_sanitizers INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
endif()
