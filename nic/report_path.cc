// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/report_path.h"

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace lauberhorn::nic {

std::vector<std::string> ReportFolders(uid_t uid,
                                       absl::string_view runtime_folder) {
  std::vector<std::string> folders;
  if (absl::StartsWith(runtime_folder, "/")) {
    folders.push_back(absl::StrCat(runtime_folder, "/lauberhorn"));
  }
  folders.push_back(absl::StrCat(P_tmpdir "/lauberhorn-", uid));
  return folders;
}

std::string ReportName(pid_t pid, int number) {
  return number == 1 ? absl::StrCat(pid, ".sock")
                     : absl::StrCat(pid, "-", number, ".sock");
}

bool ParseReportName(absl::string_view name, pid_t* pid, int* number) {
  absl::string_view rest = name;
  if (!absl::ConsumeSuffix(&rest, ".sock")) return false;
  const std::size_t dash = rest.find('-');
  *number = 1;
  if (dash != absl::string_view::npos &&
      !absl::SimpleAtoi(rest.substr(dash + 1), number)) {
    return false;
  }
  // Only the one way to write it.
  return absl::SimpleAtoi(rest.substr(0, dash), pid) && *pid > 0 &&
         *number >= 1 && *number <= kMaxReportSockets &&
         ReportName(*pid, *number) == name;
}

}  // namespace lauberhorn::nic
