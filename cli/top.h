// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cli/top.h
//
// `lauberhorn top`: which CPU runs whose thread, and how the calls of each
// process found theirs, between two looks.
#ifndef LAUBERHORN_CLI_TOP_H_
#define LAUBERHORN_CLI_TOP_H_

#include <google/protobuf/struct.pb.h>

#include <string>
#include <vector>

namespace lauberhorn::cli {

// A report of a process, and the one before it; the earlier is empty if there
// is none.
struct Looks {
  google::protobuf::Struct before;
  google::protobuf::Struct now;
};

// The screen: CPUs, if a kernel publishes them to a NIC, then a line for each
// process, the busiest first.
std::string TopScreen(const std::vector<Looks>& processes);

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_TOP_H_
