# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# What a room's CMakeLists.txt is written with:
#
#   lauberhorn_library(NAME t [SRCS ..] [HDRS ..] [DEPS ..] [INCLUDES ..])
#   lauberhorn_installed_library(NAME t FROM .. [DEPS ..])
#   lauberhorn_program(NAME t SRCS .. [DEPS ..] [INSTALL | DAEMON])
#   lauberhorn_test(NAME t SRCS .. [DEPS ..] [LABELS ..] [ARGS ..] [TIMEOUT s]
#                   [SHARDS n] [GNU_EXTENSIONS] [DRIVERS])
#   lauberhorn_fuzzer(NAME t SRCS .. CORPUS folder [DEPS ..])
#   lauberhorn_benchmark(NAME t SRCS .. [DEPS ..])
#
# Headers are found relative to the root ("nic/engine.h").

# Settings of everything that is compiled here.
function(lauberhorn_compile_settings target)
  target_compile_features(${target} PRIVATE c_std_11 cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF
                                             POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${target} PRIVATE ${Lauberhorn_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE lauberhorn_warnings
                                          lauberhorn_sanitizers)
  if(LAUBERHORN_CONFORMANCE AND NOT target STREQUAL abi_conformance_hooks)
    target_compile_options(
      ${target}
      PRIVATE "SHELL:-include ${Lauberhorn_SOURCE_DIR}/abi/host/testing/conformance_hooks.h")
    target_link_libraries(${target} PRIVATE abi_conformance_hooks)
  endif()
  # GCC copies few bytes of a size that it does not know by an instruction that
  # takes 10 ns to start; the C library's functions are faster.
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    target_compile_options(
      ${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-mstringop-strategy=libcall>)
  endif()
endfunction()

# Stops at a misspelled keyword instead of dropping what follows it.
macro(lauberhorn_require_parsed function)
  if(ARG_UNPARSED_ARGUMENTS)
    message(
      FATAL_ERROR "${function}: unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT ARG_NAME)
    message(FATAL_ERROR "${function}: NAME is missing")
  endif()
endmacro()

# An internal library: a folder's code, linked statically into tests and, with
# lauberhorn_installed_library, into the library that users get. Without SRCS it
# only passes on its DEPS and include paths. INCLUDES are further folders to
# find headers in, relative to the caller's.
function(lauberhorn_library)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;HDRS;DEPS;INCLUDES" ${ARGN})
  lauberhorn_require_parsed(lauberhorn_library)
  list(TRANSFORM ARG_INCLUDES PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
  if(ARG_SRCS)
    add_library(${ARG_NAME} STATIC ${ARG_SRCS} ${ARG_HDRS})
    lauberhorn_compile_settings(${ARG_NAME})
    target_include_directories(${ARG_NAME} PUBLIC ${Lauberhorn_SOURCE_DIR}
                                                  ${ARG_INCLUDES})
    target_link_libraries(${ARG_NAME} PUBLIC ${ARG_DEPS})
  else()
    add_library(${ARG_NAME} INTERFACE ${ARG_HDRS})
    target_include_directories(${ARG_NAME} INTERFACE ${Lauberhorn_SOURCE_DIR}
                                                     ${ARG_INCLUDES})
    target_link_libraries(${ARG_NAME} INTERFACE ${ARG_DEPS})
  endif()
endfunction()

# The library that users link: the objects of the internal libraries FROM, with
# the public include paths; static, or shared with BUILD_SHARED_LIBS. DEPS are
# the libraries of others that a user's link needs (absl::x, protobuf::x,
# Threads::Threads); the installed CMake package and the pkg-config file name
# them too. Called once, by librpc/.
function(lauberhorn_installed_library)
  cmake_parse_arguments(ARG "" "NAME" "FROM;DEPS" ${ARGN})
  lauberhorn_require_parsed(lauberhorn_installed_library)
  add_library(${ARG_NAME})
  add_library(Lauberhorn::${ARG_NAME} ALIAS ${ARG_NAME})
  foreach(part IN LISTS ARG_FROM)
    target_sources(${ARG_NAME} PRIVATE $<TARGET_OBJECTS:${part}>)
    add_dependencies(${ARG_NAME} ${part})
  endforeach()
  set_target_properties(
    ${ARG_NAME}
    PROPERTIES LINKER_LANGUAGE CXX
               VERSION ${PROJECT_VERSION}
               SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  target_compile_features(${ARG_NAME} INTERFACE cxx_std_17)
  target_include_directories(
    ${ARG_NAME}
    INTERFACE $<BUILD_INTERFACE:${Lauberhorn_SOURCE_DIR}/librpc/include>
              $<BUILD_INTERFACE:${Lauberhorn_SOURCE_DIR}/librpc/compat>
              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/lauberhorn-compat>)
  target_link_libraries(
    ${ARG_NAME}
    PUBLIC ${ARG_DEPS}
    PRIVATE $<BUILD_INTERFACE:lauberhorn_sanitizers>)
  if(LAUBERHORN_CONFORMANCE)
    target_link_libraries(${ARG_NAME} PUBLIC abi_conformance_hooks)
  endif()
  set_property(GLOBAL PROPERTY LAUBERHORN_INSTALLED_LIBRARY ${ARG_NAME})
  set_property(GLOBAL PROPERTY LAUBERHORN_INSTALLED_DEPS ${ARG_DEPS})
  set_property(GLOBAL APPEND PROPERTY LAUBERHORN_INSTALLED_TARGETS ${ARG_NAME})
endfunction()

# A program; with INSTALL it goes to bin/ and is Lauberhorn::<NAME> for users, with
# DAEMON to sbin/.
function(lauberhorn_program)
  cmake_parse_arguments(ARG "INSTALL;DAEMON" "NAME" "SRCS;DEPS" ${ARGN})
  lauberhorn_require_parsed(lauberhorn_program)
  add_executable(${ARG_NAME} ${ARG_SRCS})
  lauberhorn_compile_settings(${ARG_NAME})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS})
  if(ARG_INSTALL)
    add_executable(Lauberhorn::${ARG_NAME} ALIAS ${ARG_NAME})
    set_property(GLOBAL APPEND PROPERTY LAUBERHORN_INSTALLED_TARGETS
                                        ${ARG_NAME})
  endif()
  if(ARG_DAEMON)
    set_property(GLOBAL APPEND PROPERTY LAUBERHORN_INSTALLED_DAEMONS
                                        ${ARG_NAME})
  endif()
endfunction()

# A test program of GoogleTest, which ctest runs as one test. LABELS:
#   concurrency  runs under ThreadSanitizer in `make check`
#   memory       runs under AddressSanitizer and UBSan in `make check`: what
#                handles bytes that come from elsewhere
#   stress       runs under other sanitizers in `make check-full` only
#   long         does more when LAUBERHORN_LONG=1 (`make check-full`)
# SHARDS makes it so many tests, NAME_1 and so on, with the argument --shard=1/n.
# GNU_EXTENSIONS are for the kernel's macros and the like. DRIVERS runs it once
# with each driver of an embedded engine: NAME with a thread, NAME_fused.
# Each label has a build target, lauberhorn_tests_<label>.
function(lauberhorn_test)
  cmake_parse_arguments(ARG "GNU_EXTENSIONS;DRIVERS" "NAME;SHARDS;TIMEOUT"
                        "SRCS;DEPS;LABELS;ARGS" ${ARGN})
  lauberhorn_require_parsed(lauberhorn_test)
  if(NOT LAUBERHORN_BUILD_TESTS)
    return()
  endif()
  foreach(label IN LISTS ARG_LABELS)
    if(NOT label IN_LIST LAUBERHORN_TEST_LABELS)
      message(
        FATAL_ERROR "${ARG_NAME}: label '${label}' is none of: "
                    "${LAUBERHORN_TEST_LABELS}")
    endif()
    add_dependencies(lauberhorn_tests_${label} ${ARG_NAME})
  endforeach()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
    if(ARG_LABELS)
      set(ARG_TIMEOUT 1800)
    endif()
  endif()
  add_executable(${ARG_NAME} ${ARG_SRCS})
  lauberhorn_compile_settings(${ARG_NAME})
  if(ARG_GNU_EXTENSIONS)
    set_target_properties(${ARG_NAME} PROPERTIES CXX_EXTENSIONS ON)
  endif()
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS} GTest::gmock_main)
  # Tests run for moments and compile for long: only what they test is optimized
  # to the end.
  target_compile_options(${ARG_NAME} PRIVATE $<$<CONFIG:Release>:-O1>)
  set(tests ${ARG_NAME})
  if(ARG_SHARDS)
    set(tests)
    foreach(shard RANGE 1 ${ARG_SHARDS})
      add_test(NAME ${ARG_NAME}_${shard}
               COMMAND ${ARG_NAME} ${ARG_ARGS} --shard=${shard}/${ARG_SHARDS})
      list(APPEND tests ${ARG_NAME}_${shard})
    endforeach()
  else()
    add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME} ${ARG_ARGS})
  endif()
  set(environment
      "UBSAN_OPTIONS=print_stacktrace=1;TSAN_OPTIONS=second_deadlock_stack=1:die_after_fork=0")
  if(ARG_DRIVERS)
    add_test(NAME ${ARG_NAME}_fused COMMAND ${ARG_NAME} ${ARG_ARGS})
    list(APPEND tests ${ARG_NAME}_fused)
  endif()
  # A test program that runs no test has not passed.
  set_tests_properties(
    ${tests}
    PROPERTIES
      TIMEOUT ${ARG_TIMEOUT}
      LABELS "${ARG_LABELS}"
      FAIL_REGULAR_EXPRESSION "Running 0 tests from"
      ENVIRONMENT "${environment}")
  if(ARG_DRIVERS)
    set_tests_properties(
      ${ARG_NAME} PROPERTIES ENVIRONMENT
                             "${environment};LAUBERHORN_ENGINE=thread")
    set_tests_properties(
      ${ARG_NAME}_fused PROPERTIES ENVIRONMENT
                                   "${environment};LAUBERHORN_ENGINE=fused")
  endif()
endfunction()

set(LAUBERHORN_TEST_LABELS concurrency memory stress long)
if(LAUBERHORN_BUILD_TESTS)
  foreach(label IN LISTS LAUBERHORN_TEST_LABELS)
    add_custom_target(lauberhorn_tests_${label})
  endforeach()
endif()

# A fuzzer: SRCS define LLVMFuzzerTestOneInput, CORPUS is the folder of its
# inputs, relative to the caller's. Under the preset `fuzz` it is a program of
# libFuzzer, which tools/fuzz finds as <build>/fuzzers/<NAME>; elsewhere
# <NAME>_replay, a test that goes through the corpus, also with the label memory.
function(lauberhorn_fuzzer)
  cmake_parse_arguments(ARG "" "NAME;CORPUS" "SRCS;DEPS" ${ARGN})
  lauberhorn_require_parsed(lauberhorn_fuzzer)
  if(NOT LAUBERHORN_BUILD_TESTS)
    return()
  endif()
  set(corpus "${CMAKE_CURRENT_SOURCE_DIR}/${ARG_CORPUS}")
  if(LAUBERHORN_SANITIZE MATCHES "fuzzer")
    add_executable(${ARG_NAME} ${ARG_SRCS})
    target_link_options(${ARG_NAME} PRIVATE -fsanitize=fuzzer)
    set_target_properties(
      ${ARG_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                             "${CMAKE_BINARY_DIR}/fuzzers")
    # Where its corpus is, for tools/fuzz.
    file(WRITE "${CMAKE_BINARY_DIR}/fuzzers/${ARG_NAME}.corpus" "${corpus}\n")
    add_dependencies(lauberhorn_fuzzers ${ARG_NAME})
  else()
    set(replay ${ARG_NAME}_replay)
    add_executable(${replay} ${ARG_SRCS}
                             ${Lauberhorn_SOURCE_DIR}/tests/fuzz_replay.cc)
    target_compile_options(${replay} PRIVATE $<$<CONFIG:Release>:-O1>)
    add_test(NAME ${replay} COMMAND ${replay} ${corpus})
    set_tests_properties(
      ${replay} PROPERTIES TIMEOUT 120 LABELS memory ENVIRONMENT
                           "UBSAN_OPTIONS=print_stacktrace=1")
    add_dependencies(lauberhorn_tests_memory ${replay})
    set(ARG_NAME ${replay})
  endif()
  lauberhorn_compile_settings(${ARG_NAME})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS})
endfunction()

if(LAUBERHORN_BUILD_TESTS AND LAUBERHORN_SANITIZE MATCHES "fuzzer")
  add_custom_target(lauberhorn_fuzzers)
endif()

# A benchmark of Google Benchmark (SRCS may bring a main() of their own). The
# program is <build>/<folder>/<NAME>.
function(lauberhorn_benchmark)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS" ${ARGN})
  lauberhorn_require_parsed(lauberhorn_benchmark)
  if(NOT LAUBERHORN_BUILD_BENCHMARKS)
    return()
  endif()
  add_executable(${ARG_NAME} ${ARG_SRCS})
  lauberhorn_compile_settings(${ARG_NAME})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS}
                                            benchmark::benchmark_main)
endfunction()
