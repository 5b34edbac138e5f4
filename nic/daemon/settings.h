// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/settings.h
//
// What lauberhornd is told, by its command line and its configuration file,
// which has the same names.
#ifndef LAUBERHORN_NIC_DAEMON_SETTINGS_H_
#define LAUBERHORN_NIC_DAEMON_SETTINGS_H_

#include <iosfwd>
#include <optional>
#include <string>

#include "nic/daemon/daemon.h"

namespace lauberhorn::nic::daemon {

// What the program ends with, as in <sysexits.h>.
enum ExitStatus {
  kExitOk = 0,
  kExitUsage = 64,        // the command line, or the configuration
  kExitUnavailable = 69,  // there is no device, or it has gone
  kExitInternal = 70,
  kExitBusy = 75,  // another NIC is attached
  kExitNoPermission = 77,
};

struct Settings {
  std::string device = "/dev/lauberhorn0-nic";
  DaemonOptions daemon = {};
  std::string log_level = "info";
  bool check_config = false;
};

// Reads them. What it returns, if anything, the program ends with: what there
// was to say has been written to `out` and `error`.
std::optional<int> ReadSettings(int argc, const char* const* argv,
                                Settings* settings, std::ostream& out,
                                std::ostream& error);

}  // namespace lauberhorn::nic::daemon

#endif  // LAUBERHORN_NIC_DAEMON_SETTINGS_H_
