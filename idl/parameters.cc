// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The parameters of the generator: one table, from which the parser and the
// help are made.
#include "idl/parameters.h"

#include <google/protobuf/compiler/code_generator.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace lauberhorn::idl {
namespace {

// Empty if all is well, else what the value should have been.
using Result = std::string;

Result SetServicesNamespace(const std::string& value, Parameters& parameters) {
  for (absl::string_view part : absl::StrSplit(value, "::")) {
    bool is_name = !part.empty() &&
                   !absl::ascii_isdigit(static_cast<unsigned char>(part[0]));
    for (const char letter : part) {
      is_name &= letter == '_' ||
                 absl::ascii_isalnum(static_cast<unsigned char>(letter));
    }
    if (!is_name) return "a namespace, such as 'rpc' or 'rpc::v1'";
  }
  parameters.services_namespace = value;
  return "";
}

Result SetMessageHeaderExtension(const std::string& value,
                                 Parameters& parameters) {
  if (value.empty()) return "what follows the base name, such as '.pb.h'";
  parameters.message_header_extension = value;
  return "";
}

Result SetAdditionalHeaderIncludes(const std::string& value,
                                   Parameters& parameters) {
  parameters.additional_header_includes =
      absl::StrSplit(value, ':', absl::SkipEmpty());
  return "";
}

Result SetSkipStreaming(const std::string& value, Parameters& parameters) {
  if (value != "true" && value != "false" && !value.empty()) {
    return "'true' or 'false'";
  }
  parameters.skip_streaming = value != "false";
  return "";
}

struct Parameter {
  const char* name;
  const char* value;  // for the help
  const char* help;
  Result (*set)(const std::string& value, Parameters& parameters);
};

constexpr Parameter kParameters[] = {
    {"services_namespace", "NAME",
     "put the services into this namespace, inside that of the package",
     &SetServicesNamespace},
    {"message_header_extension", "TEXT",
     "include the messages from headers of this name (default: .pb.h)",
     &SetMessageHeaderExtension},
    {"additional_header_includes", "A:B:...",
     "also include these headers in the generated one",
     &SetAdditionalHeaderIncludes},
    {"skip_streaming", "true|false",
     "leave streaming methods out instead of failing", &SetSkipStreaming},
};

}  // namespace

absl::StatusOr<Parameters> ParseParameters(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  google::protobuf::compiler::ParseGeneratorParameter(text, &pairs);
  Parameters parameters;
  for (const auto& [name, value] : pairs) {
    const Parameter* known = nullptr;
    for (const Parameter& parameter : kParameters) {
      if (name == parameter.name) known = &parameter;
    }
    if (known == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          "unknown parameter '", name, "'; there are: ",
          absl::StrJoin(kParameters, ", ",
                        [](std::string* out, const Parameter& parameter) {
                          absl::StrAppend(out, parameter.name);
                        })));
    }
    if (const Result wanted = known->set(value, parameters); !wanted.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "parameter ", name, " is '", value, "'; it must be ", wanted));
    }
  }
  return parameters;
}

std::string ParametersHelp() {
  std::string help;
  for (const Parameter& parameter : kParameters) {
    absl::StrAppendFormat(&help, "  %s=%s\n      %s\n", parameter.name,
                          parameter.value, parameter.help);
  }
  return help;
}

}  // namespace lauberhorn::idl
