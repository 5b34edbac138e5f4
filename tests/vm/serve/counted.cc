// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/serve/counted.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/json.h"
#include "cli/process.h"
#include "gtest/gtest.h"

namespace lauberhorn::serve {

Counted::Counted(pid_t pid) {
  const auto engines = cli::FindEngines(absl::StrCat(pid));
  if (!engines.ok()) {
    ADD_FAILURE() << engines.status();
    return;
  }
  const absl::Status status =
      cli::Ask(engines->front(), "stat\n", [&](const std::string& line) {
        const auto value = cli::ParseJson(line);
        if (!value.ok()) return value.status();
        counters_ = cli::Object(value->struct_value(), "counters");
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
}

double Counted::operator[](const char* counter) const {
  return cli::At(counters_, counter).number_value();
}

}  // namespace lauberhorn::serve
