// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// protoc-gen-lauberhorn: the plugin that protoc starts. It reads a request from
// its standard input and writes the generated files to its standard output.
#include <google/protobuf/compiler/plugin.h>
#include <google/protobuf/stubs/common.h>
#include <unistd.h>

#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "idl/generator.h"
#include "idl/parameters.h"

namespace {

std::string Help() {
  return absl::StrCat(
      "protoc-gen-lauberhorn: C++ code for the services of .proto files\n"
      "\n"
      "protoc runs it:\n"
      "  protoc --cpp_out=DIR --lauberhorn_out=DIR \\\n"
      "      --plugin=protoc-gen-lauberhorn=PATH "
      "[--lauberhorn_opt=NAME=VALUE] FILE.proto\n"
      "In CMake, lauberhorn_generate() of find_package(Lauberhorn) does.\n"
      "\n"
      "It writes FILE.grpc.pb.h and FILE.grpc.pb.cc, beside the messages in\n"
      "FILE.pb.h and FILE.pb.cc that --cpp_out writes.\n"
      "\n"
      "Parameters:\n",
      lauberhorn::idl::ParametersHelp(),
      "\n"
      "Options, when it is run by hand:\n"
      "  --help     this text\n"
      "  --version  its version and that of Protocol Buffers\n");
}

std::string Version() {
  return absl::StrCat(
      "protoc-gen-lauberhorn ", LAUBERHORN_VERSION, " (Protocol Buffers ",
      google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION),
      ")\n");
}

}  // namespace

int main(int argc, char* argv[]) {
  const std::string argument = argc > 1 ? argv[1] : "";
  if (argument == "--help" || argument == "-h") {
    std::cout << Help();
    return 0;
  }
  if (argument == "--version") {
    std::cout << Version();
    return 0;
  }
  if (argc > 1 || isatty(STDIN_FILENO)) {
    std::cerr << (argc > 1 ? absl::StrCat("protoc-gen-lauberhorn: no option '",
                                          argument, "'\n\n")
                           : "")
              << Help();
    return 2;
  }
  const lauberhorn::idl::Generator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
