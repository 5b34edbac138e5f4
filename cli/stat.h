// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cli/stat.h
//
// `lauberhorn stat`: what an engine counted, as a table.
#ifndef LAUBERHORN_CLI_STAT_H_
#define LAUBERHORN_CLI_STAT_H_

#include <google/protobuf/struct.pb.h>

#include <string>

namespace lauberhorn::cli {

// The table of a report. `before`, if not null, is an earlier report of the
// same engine: then it shows how much there was in a second between the two.
// Counters that are 0 are left out unless `all`.
std::string StatTable(const google::protobuf::Struct& report,
                      const google::protobuf::Struct* before, bool all);

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_STAT_H_
