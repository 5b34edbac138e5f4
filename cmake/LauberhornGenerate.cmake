# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# Code from .proto files; installed with the package, used inside the project
# too.
#
#   lauberhorn_generate(TARGET t PROTOS a.proto b/c.proto ...
#                       [IMPORT_DIRS dir ...])
#
# adds to the existing target t the messages (a.pb.h, a.pb.cc) and the services
# (a.grpc.pb.h, a.grpc.pb.cc) of each file. The paths are relative to the
# calling folder, and so are the includes: #include "b/c.grpc.pb.h". IMPORT_DIRS
# are more places where protoc looks for imported files.
function(lauberhorn_generate)
  cmake_parse_arguments(ARG "" "TARGET" "PROTOS;IMPORT_DIRS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lauberhorn_generate: unknown arguments: "
                        "${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT TARGET "${ARG_TARGET}")
    message(FATAL_ERROR "lauberhorn_generate: TARGET '${ARG_TARGET}' is not a "
                        "target; call add_executable or add_library first")
  endif()
  if(NOT ARG_PROTOS)
    message(FATAL_ERROR "lauberhorn_generate: PROTOS is empty")
  endif()

  set(proto_path "--proto_path=${CMAKE_CURRENT_SOURCE_DIR}")
  foreach(dir IN LISTS ARG_IMPORT_DIRS)
    cmake_path(ABSOLUTE_PATH dir)
    list(APPEND proto_path "--proto_path=${dir}")
  endforeach()

  foreach(proto IN LISTS ARG_PROTOS)
    if(IS_ABSOLUTE "${proto}" OR proto MATCHES "^\\.\\./")
      message(FATAL_ERROR "lauberhorn_generate: '${proto}' is not relative to "
                          "${CMAKE_CURRENT_SOURCE_DIR}")
    endif()
    cmake_path(REMOVE_EXTENSION proto LAST_ONLY OUTPUT_VARIABLE base)
    set(output "${CMAKE_CURRENT_BINARY_DIR}/${base}")
    set(generated ${output}.pb.h ${output}.pb.cc ${output}.grpc.pb.h
                  ${output}.grpc.pb.cc)
    add_custom_command(
      OUTPUT ${generated}
      COMMAND
        protobuf::protoc ${proto_path} "--cpp_out=${CMAKE_CURRENT_BINARY_DIR}"
        "--plugin=protoc-gen-lauberhorn=$<TARGET_FILE:Lauberhorn::protoc-gen-lauberhorn>"
        "--lauberhorn_out=${CMAKE_CURRENT_BINARY_DIR}"
        "${CMAKE_CURRENT_SOURCE_DIR}/${proto}"
      DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${proto}" protobuf::protoc
              Lauberhorn::protoc-gen-lauberhorn
      COMMENT "Generating code from ${proto}"
      VERBATIM)
    # The messages are protoc's code, which is not held to the warnings of
    # whoever uses it.
    set_source_files_properties(${output}.pb.cc PROPERTIES COMPILE_OPTIONS -w)
    target_sources(${ARG_TARGET} PRIVATE ${generated})
  endforeach()
  target_include_directories(${ARG_TARGET} SYSTEM
                             PUBLIC "${CMAKE_CURRENT_BINARY_DIR}")
  target_link_libraries(${ARG_TARGET} PUBLIC Lauberhorn::lauberhorn
                                             protobuf::libprotobuf)
endfunction()
