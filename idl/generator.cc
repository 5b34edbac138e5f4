// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The generator's frame: describe the file, print header and source.
#include "idl/generator.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <memory>
#include <string>

namespace lauberhorn::idl {
namespace {

void Write(const std::string& text, const std::string& name,
           google::protobuf::compiler::GeneratorContext* context) {
  const std::unique_ptr<google::protobuf::io::ZeroCopyOutputStream> file(
      context->Open(name));
  google::protobuf::io::CodedOutputStream(file.get()).WriteString(text);
}

}  // namespace

bool Generator::Generate(const google::protobuf::FileDescriptor* file,
                         const std::string& parameter,
                         google::protobuf::compiler::GeneratorContext* context,
                         std::string* error) const {
  const absl::StatusOr<Parameters> parameters = ParseParameters(parameter);
  if (!parameters.ok()) {
    *error = std::string(parameters.status().message());
    return false;
  }
  const absl::StatusOr<FileDescription> description =
      Describe(*file, *parameters);
  if (!description.ok()) {
    *error = std::string(description.status().message());
    return false;
  }
  // Also for a file without services, so that builds can rely on the names.
  Write(HeaderOf(*description, *parameters), description->base + ".grpc.pb.h",
        context);
  Write(SourceOf(*description, *parameters), description->base + ".grpc.pb.cc",
        context);
  return true;
}

}  // namespace lauberhorn::idl
