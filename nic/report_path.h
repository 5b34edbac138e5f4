// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/report_path.h
//
// Where the sockets are that processes answer questions about themselves on:
// one folder for each user, only for that user, with one socket for each engine
// of a process, PID.sock, then PID-2.sock and so on. Those of processes that
// lauberhornd serves are root's.
#ifndef LAUBERHORN_NIC_REPORT_PATH_H_
#define LAUBERHORN_NIC_REPORT_PATH_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace lauberhorn::nic {

// An engine is not asked if its process has so many that are.
inline constexpr int kMaxReportSockets = 16;

// The folders that a process of user `uid` takes the first of which it can
// write to: that of the login session, and one for temporary files.
// `runtime_folder` is $XDG_RUNTIME_DIR, or empty.
std::vector<std::string> ReportFolders(uid_t uid,
                                       absl::string_view runtime_folder);

// Where lauberhornd takes a folder, if its manager names no other.
inline constexpr char kDaemonRuntimeFolder[] = "/run";

// The name of the socket of the process's engine `number`, from 1, in its
// folder.
std::string ReportName(pid_t pid, int number);

// The process whose socket has this name; false if none would.
bool ParseReportName(absl::string_view name, pid_t* pid, int* number);

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_REPORT_PATH_H_
