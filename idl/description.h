// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A .proto file as the generator sees it: the names that its services have in
// C++, checked. Everything that can go wrong, goes wrong here.
#ifndef IDL_DESCRIPTION_H_
#define IDL_DESCRIPTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "idl/parameters.h"

namespace google::protobuf {
class FileDescriptor;
}

namespace lauberhorn::idl {

struct MethodDescription {
  std::string name;       // in C++
  std::string full_name;  // "/package.Service/Method"
  std::uint64_t id;       // of the full name
  std::string request;    // C++ type, from the global namespace
  std::string reply;
  std::vector<std::string> comments;  // lines, without "//"
};

struct ServiceDescription {
  std::string name;       // in C++
  std::string full_name;  // "package.Service"
  std::vector<std::string> comments;
  std::vector<MethodDescription> methods;
  std::vector<std::string> skipped;  // names of streaming methods
};

struct FileDescription {
  std::string name;  // as protoc has it, "folder/file.proto"
  std::string base;  // without ".proto"
  std::vector<std::string> comments;
  std::vector<std::string> namespaces;  // of the package, from outside
  std::vector<ServiceDescription> services;
};

// The names under which packets and tables know a method: FNV-1a, 64 bits, of
// its full name. <lauberhorn/method.h> computes the same; generated code checks
// that.
std::uint64_t MethodId(const std::string& full_name);

// Errors name service and method; protoc puts the file before them.
absl::StatusOr<FileDescription> Describe(
    const google::protobuf::FileDescriptor& file, const Parameters& parameters);

}  // namespace lauberhorn::idl

#endif  // IDL_DESCRIPTION_H_
