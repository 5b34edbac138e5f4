// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What a user can ask of the generator: protoc --lauberhorn_opt=name=value.
#ifndef IDL_PARAMETERS_H_
#define IDL_PARAMETERS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace lauberhorn::idl {

struct Parameters {
  // A further namespace around the services, inside that of the package. With
  // it, the same service can be generated for gRPC and for this library.
  std::string services_namespace;

  // What the headers of messages are called: base name and this.
  std::string message_header_extension = ".pb.h";

  // To be included by the generated header.
  std::vector<std::string> additional_header_includes;

  // Leaves streaming methods out instead of failing.
  bool skip_streaming = false;
};

// What protoc hands over: "name=value,name=value". Errors name the parameter
// and say which ones there are.
absl::StatusOr<Parameters> ParseParameters(const std::string& text);

// One line for each parameter, for --help.
std::string ParametersHelp();

}  // namespace lauberhorn::idl

#endif  // IDL_PARAMETERS_H_
