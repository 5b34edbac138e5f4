// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Any text as the generator's parameters. What is accepted can be used, and
// means the same when it is written again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "idl/parameters.h"

namespace lauberhorn::idl {
namespace {

void Check(const std::string& text) {
  const absl::StatusOr<Parameters> parameters = ParseParameters(text);
  if (!parameters.ok()) {
    if (parameters.status().message().empty()) std::abort();
    return;
  }
  if (parameters->message_header_extension.empty()) std::abort();
  for (const std::string& include : parameters->additional_header_includes) {
    if (include.empty()) std::abort();
  }
  std::string again = absl::StrCat(
      "message_header_extension=", parameters->message_header_extension,
      ",additional_header_includes=",
      absl::StrJoin(parameters->additional_header_includes, ":"),
      ",skip_streaming=", parameters->skip_streaming ? "true" : "false");
  if (!parameters->services_namespace.empty()) {
    absl::StrAppend(&again,
                    ",services_namespace=", parameters->services_namespace);
  }
  const absl::StatusOr<Parameters> same = ParseParameters(again);
  if (!same.ok() ||
      same->services_namespace != parameters->services_namespace ||
      same->message_header_extension != parameters->message_header_extension ||
      same->additional_header_includes !=
          parameters->additional_header_includes ||
      same->skip_streaming != parameters->skip_streaming) {
    std::abort();
  }
}

}  // namespace
}  // namespace lauberhorn::idl

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  lauberhorn::idl::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
