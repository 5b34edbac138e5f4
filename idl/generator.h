// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes the code of services: for each file.proto file.grpc.pb.h and
// file.grpc.pb.cc, in the shape of gRPC's own plugin, with a method table whose
// thunks go straight to the handlers.
#ifndef IDL_GENERATOR_H_
#define IDL_GENERATOR_H_

#include <google/protobuf/compiler/code_generator.h>

#include <cstdint>
#include <string>

#include "idl/description.h"
#include "idl/parameters.h"

namespace lauberhorn::idl {

class Generator : public google::protobuf::compiler::CodeGenerator {
 public:
  bool Generate(const google::protobuf::FileDescriptor* file,
                const std::string& parameter,
                google::protobuf::compiler::GeneratorContext* context,
                std::string* error) const override;

  std::uint64_t GetSupportedFeatures() const override {
    return FEATURE_PROTO3_OPTIONAL;
  }
};

// The two files.
std::string HeaderOf(const FileDescription& file, const Parameters& parameters);
std::string SourceOf(const FileDescription& file, const Parameters& parameters);

}  // namespace lauberhorn::idl

#endif  // IDL_GENERATOR_H_
